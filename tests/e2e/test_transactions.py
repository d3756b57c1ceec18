"""Transactions that break a rule, handed in at a real node's socket: turned away, by its signed statement."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec import structs

from chainnode.gateway.client import GatewayClient
from chainnode.ledger.founding import founding_of
from chainnode.ledger.payloads import AddDepartment, ClassKey, EnrolPatient, Payload
from chainnode.ledger.rules import RULES
from chainnode.ledger.statement import AdmissionRefusal, verify_refusal
from chainnode.ledger.transaction import (
    MAX_TRANSACTION_BYTES,
    Row,
    SignedTransaction,
    Submission,
    TransactionBody,
    transaction_id,
)
from chainnode.node.api import NotFound, Outcome
from chainnode.vault.keys import SigningKey, verify
from consensus.codec import DecodeError, decode, encode
from consensus.domain import SUITE, signing_bytes
from genesis.document import load_genesis
from genesis.errors import EXIT_OK, EXIT_VERIFY
from tests.demo.world import World
from tests.e2e.town import level, town
from tests.localnet.consortium import Consortium

pytestmark = pytest.mark.asyncio(loop_scope="module")

AHEAD = 100


@dataclass(frozen=True, slots=True)
class Desk:
    """What a client needs to build transactions at hospital A."""

    world: World
    client: GatewayClient
    chain_id: bytes
    height: int
    steward: SigningKey
    stranger: SigningKey
    other_steward: SigningKey

    def body(self, payload: Payload | None = None, **changed: object) -> TransactionBody:
        """A body that would be taken, but for what is changed."""
        payload = payload or AddDepartment(0, "ward", SigningKey(b"\x07" * 32).public)
        body = TransactionBody(
            SUITE, self.chain_id, self.height + AHEAD, b"n" * 16, self.steward.public, payload
        )
        return structs.replace(body, **changed)

    def sign(self, body: TransactionBody | bytes, *rows: Row, key: SigningKey | None = None) -> bytes:
        """An encoded Submission; the signature is good, also over bytes that are no body."""
        data = body if isinstance(body, bytes) else encode(body)
        key = key or self.steward
        signature = key.sign(signing_bytes("transaction", self.chain_id, data))
        return encode(Submission(SignedTransaction(data, signature), rows))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(consortium: Consortium) -> AsyncIterator[Desk]:
    async with town(consortium) as world:
        client = await world.client(0)
        info = await client.info()
        made = Desk(
            world,
            client,
            info.chain_id,
            info.height,
            world.stewards[0].signing,
            SigningKey.generate(),
            world.stewards[1].signing,
        )
        # Heights below the present one exist, so that a transaction can have expired.
        for number in range(3):
            payload = AddDepartment(0, f"first-{number}", SigningKey.generate().public)
            result = await client.submit(made.sign(made.body(payload)))
            assert result.code == "ok", "a transaction without a fault is taken"
        (report, *_) = await level(world)
        yield replace(made, height=report.height)


Fault = Callable[[Desk], bytes]
LINK = Row(b"s" * 32, b"l" * 32)


def enrolment(desk: Desk) -> TransactionBody:
    key, point = SigningKey(b"\x08" * 32).public, SigningKey(b"\x09" * 32).public
    class_keys = (ClassKey("conditions", 0, point),)
    return desk.body(EnrolPatient(0, b"h" * 16, key, class_keys, LINK.digest()))


def longer_spelling(data: bytes) -> bytes:
    """The same MessagePack array with a header of three bytes in place of one."""
    assert data[0] & 0xF0 == 0x90
    return b"\xdc" + bytes([0, data[0] & 0x0F]) + data[1:]


def bad_signature(desk: Desk) -> bytes:
    data = encode(desk.body())
    signature = bytearray(desk.steward.sign(signing_bytes("transaction", desk.chain_id, data)))
    signature[5] ^= 1
    return encode(Submission(SignedTransaction(data, bytes(signature))))


FAULTS: dict[str, tuple[str, Fault]] = {
    "garbage": ("malformed", lambda desk: b"\xc1garbage" * 10),
    "nothing": ("malformed", lambda desk: b""),
    "cut off": ("malformed", lambda desk: desk.sign(desk.body())[:-20]),
    "more behind it": ("malformed", lambda desk: desk.sign(desk.body()) + b"\x00"),
    "a body that is none": ("malformed", lambda desk: desk.sign(b"\x93\x01\x02\x03")),
    "a short nonce": ("malformed", lambda desk: desk.sign(desk.body(nonce=b"n"))),
    "spelled longer": ("non-canonical", lambda desk: longer_spelling(desk.sign(desk.body()))),
    "a body spelled longer": ("non-canonical", lambda desk: desk.sign(longer_spelling(encode(desk.body())))),
    "too large": (
        "too-large",
        lambda desk: desk.sign(desk.body(AddDepartment(0, "w" * MAX_TRANSACTION_BYTES, b"k" * 32))),
    ),
    "another suite": ("unknown-suite", lambda desk: desk.sign(desk.body(suite=SUITE + 1))),
    "another chain": ("other-chain", lambda desk: desk.sign(desk.body(chain_id=b"\x01" * 32))),
    "expired": ("expired-transaction", lambda desk: desk.sign(desk.body(valid_until_height=desk.height))),
    "valid too long": (
        "validity-too-long",
        lambda desk: desk.sign(desk.body(valid_until_height=desk.height + 100_000)),
    ),
    "a flipped bit": ("bad-signature", bad_signature),
    "another's signature": ("bad-signature", lambda desk: desk.sign(desk.body(), key=desk.stranger)),
    "a stranger": (
        "unknown-signer",
        lambda desk: desk.sign(desk.body(signer=desk.stranger.public), key=desk.stranger),
    ),
    "somebody who may not": (
        "not-permitted",
        lambda desk: desk.sign(desk.body(signer=desk.other_steward.public), key=desk.other_steward),
    ),
    "a weak key": ("bad-key", lambda desk: desk.sign(desk.body(AddDepartment(0, "weak", bytes(32))))),
    "a key that has a role": (
        "key-in-use",
        lambda desk: desk.sign(desk.body(AddDepartment(0, "double", desk.other_steward.public))),
    ),
    "a row that does not match": (
        "row-mismatch",
        lambda desk: desk.sign(enrolment(desk), Row(b"s" * 32, b"o" * 32)),
    ),
    "a row that is missing": ("row-mismatch", lambda desk: desk.sign(enrolment(desk))),
    "a row too many": ("row-mismatch", lambda desk: desk.sign(desk.body(), LINK)),
}


def id_of(submission: bytes) -> bytes:
    """The transaction's id; what cannot be read as a transaction goes by the digest of all its bytes."""
    try:
        return decode(submission, Submission, limit_bytes=len(submission)).transaction.id()
    except DecodeError:
        return transaction_id(submission)


def checked(desk: Desk, statement: bytes, member: int = 0) -> AdmissionRefusal:
    founding = founding_of(load_genesis(desk.world.consortium.genesis_file))
    refusal = verify_refusal(statement, founding, verify=verify)
    assert refusal.member == member and refusal.chain_id == desk.chain_id
    return refusal


@pytest.mark.parametrize("fault", FAULTS)
async def test_it_is_turned_away_with_its_rule_and_a_statement_that_verifies(desk: Desk, fault: str) -> None:
    rule, build = FAULTS[fault]
    before = (await level(desk.world))[0].height
    submission = build(desk)
    result = await desk.client.submit(submission)
    assert (result.outcome, result.code) == (Outcome.TURNED_AWAY, rule)
    assert RULES[rule] in result.detail
    refusal = checked(desk, result.statement)
    assert refusal.rule == rule
    assert refusal.transaction_id == result.transaction_id == id_of(submission)
    with pytest.raises(NotFound):
        await desk.client.transaction(result.transaction_id)
    heights = {(await desk.world.nodes.status(number)).height for number in range(4)}
    assert heights == {before}, "nothing went on chain"


async def test_a_replayed_transaction_is_turned_away_by_every_node(desk: Desk) -> None:
    submission = desk.sign(desk.body(AddDepartment(0, "once", SigningKey.generate().public)))
    first = await desk.client.submit(submission)
    assert (first.outcome, first.code) == (Outcome.COMMITTED, "ok")
    await level(desk.world)
    for number in range(4):
        again = await (await desk.world.client(number)).submit(submission)
        assert (again.outcome, again.code) == (Outcome.TURNED_AWAY, "replayed")
        assert checked(desk, again.statement, number).rule == "replayed"
    height, code, _ = await desk.client.transaction(first.transaction_id)
    assert (height, code) == (first.height, "ok"), "it stands once, where it stood"


async def test_the_same_transaction_without_a_fault_is_taken_after_all_of_this(desk: Desk) -> None:
    before = await level(desk.world)
    taken = await desk.client.submit(desk.sign(desk.body()))
    assert (taken.outcome, taken.code, taken.statement) == (Outcome.COMMITTED, "ok", b"")
    enrolled = await desk.client.submit(desk.sign(enrolment(desk), LINK))
    assert (enrolled.outcome, enrolled.code) == (Outcome.COMMITTED, "ok")
    after = await level(desk.world)
    assert after[0].height > before[0].height and all(one.voting for one in after)


def verified(file: Path, genesis: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chainnode.cli.main", "verify", "--json", str(file)]
    command += ["--genesis", str(genesis)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


async def test_the_statement_is_verified_offline_and_a_flipped_byte_fails(desk: Desk, tmp_path: Path) -> None:
    rule, build = FAULTS["a stranger"]
    statement = (await desk.client.submit(build(desk))).statement
    genesis = desk.world.consortium.genesis_file
    file, flipped = tmp_path / "good.statement", tmp_path / "flipped.statement"
    file.write_bytes(statement)
    flipped.write_bytes(statement[:40] + bytes([statement[40] ^ 1]) + statement[41:])
    good = await asyncio.to_thread(verified, file, genesis)
    assert good.returncode == EXIT_OK, good.stderr
    assert json.loads(good.stdout)["verified"] is True
    assert f'"rule": "{rule}"' in good.stdout and '"member": 0' in good.stdout
    bad = await asyncio.to_thread(verified, flipped, genesis)
    assert bad.returncode == EXIT_VERIFY and json.loads(bad.stderr)["error"]["code"] == "CLI-09"
    assert "Traceback" not in bad.stderr
