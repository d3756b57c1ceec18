"""What a node takes in from its users, what it turns away with its word, and what it says for itself."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from chainnode.ledger.machine import Execution
from chainnode.ledger.payloads import MAX_OBJECTS, PERMIT, AddDepartment, Barrier, Grant
from chainnode.ledger.records import Result
from chainnode.ledger.statement import verify_refusal
from chainnode.ledger.transaction import Submission, transaction_id
from chainnode.node.admissions import MAX_SUBMISSION_BYTES, Admissions
from chainnode.node.api import Outcome, Part, SubmitResult
from chainnode.node.reserve import MB, DiskReserve
from chainnode.node.stash import Stash
from chainnode.node.waiters import Waiters
from chainnode.vault.keys import verify
from chainnode.vault.parts import PART_BYTES, parts_digest
from consensus.codec import encode
from genesis.errors import OperatorError
from tests.ledger.scene import PROVIDER, Scene, pointer
from tests.ledger.world import Actor, id16
from tests.node.stand_ins import Log, SceneExecutor, signing_key, until
from tests.store.memory import MemoryChainStore

FOREVER_MS = 60_000


class Node:
    """Admission over a scene's chain; `answer` is what the intake says."""

    def __init__(self, scene: Scene, answer: str = "") -> None:
        self.scene, self.chain, self.answer = scene, scene.chain, answer
        self.taken: list[Submission] = []
        self.trouble = ""
        self.free = 1_000 * MB
        self.reserve = DiskReserve(Path("/home"), 500 * MB, Log(), lambda _: self.free)  # type: ignore[arg-type]
        self.rows = MemoryChainStore()
        self.waiters = Waiters(self.chain.height)
        self.admissions = Admissions(
            chain_id=self.chain.chain_id,
            member=PROVIDER,
            validator=signing_key("validator 0"),
            parameters=self.chain.parameters,
            executor=SceneExecutor(self.chain),
            waiters=self.waiters,
            stash=Stash(self.rows),
            intake=self,
            verify=verify,
            trouble=lambda: self.trouble,
            reserve=self.reserve,
            log=Log(),
        )

    def submit(self, submission: Submission, client: str, valid_until_height: int) -> str:
        self.taken.append(submission)
        return self.answer

    async def hand_in(
        self, submission: Submission | bytes, parts: Sequence[Part] = (), timeout_ms: int = FOREVER_MS
    ) -> SubmitResult:
        data = submission if isinstance(submission, bytes) else encode(submission)
        return await self.admissions.submit(data, parts, client="steward", timeout_ms=timeout_ms)

    def certify(self, *submissions: Submission) -> None:
        """A block of these, with its certificate."""
        block = self.chain.commit(*submissions)
        self.waiters.executed(block.header, block.execution)
        self.waiters.certified(block.header.height)

    def department(self, name: str) -> Submission:
        payload = AddDepartment(PROVIDER, name, Actor("head of " + name).public)
        return self.chain.submission(self.scene.steward, payload)


@pytest.fixture
def node() -> Node:
    return Node(Scene())


async def test_a_good_transaction_is_answered_with_its_certified_place(node: Node):
    submission = node.department("surgery")
    waiting = asyncio.create_task(node.hand_in(submission))
    await until(lambda: bool(node.taken))
    node.certify(submission)
    result = await waiting
    assert (result.outcome, result.code, result.height) == (Outcome.COMMITTED, "ok", node.chain.height)
    assert result.transaction_id == submission.transaction.id() and not result.statement
    assert node.admissions.latencies.summary()[0] >= 0


async def test_the_same_transaction_handed_in_twice_at_once_is_answered_to_both(node: Node):
    submission = node.department("surgery")
    waiting = [asyncio.create_task(node.hand_in(submission)) for _ in range(2)]
    await until(lambda: len(node.taken) == 2)
    node.certify(submission)
    assert [(await one).code for one in waiting] == ["ok", "ok"]


async def test_what_execution_refused_comes_with_its_rule_and_its_sentence(node: Node):
    first, second = node.department("surgery"), node.department("surgery")
    waiting = asyncio.create_task(node.hand_in(second))
    await until(lambda: bool(node.taken))
    node.certify(first, second)
    result = await waiting
    assert (result.outcome, result.code) == (Outcome.COMMITTED, "duplicate-id")
    assert result.detail == "The identifier is taken."


async def test_a_refused_release_is_committed_with_the_rule_of_the_decision(node: Node):
    submission = node.department("surgery")
    waiting = asyncio.create_task(node.hand_in(submission))
    await until(lambda: bool(node.taken))
    result = Result(submission.transaction.id(), "", "REFUSED", "patient-not-signed")
    header = node.chain.commit().header
    node.waiters.executed(header, Execution((result,), (), {}, b"", b"", b""))
    node.waiters.certified(header.height)
    assert (await waiting).code == "patient-not-signed"


def said(node: Node, result: SubmitResult) -> tuple[bytes, str, int, int]:
    statement = verify_refusal(result.statement, node.chain.founding, verify=verify)
    return statement.transaction_id, statement.rule, statement.member, statement.height


async def refused(node: Node, submission: Submission | bytes) -> str:
    """The rule; the node's word about it verifies and names the transaction."""
    result = await node.hand_in(submission)
    assert result.outcome is Outcome.TURNED_AWAY and result.detail and not node.taken
    data = submission if isinstance(submission, bytes) else b""
    id_ = transaction_id(data) if data else submission.transaction.id()  # type: ignore[union-attr]
    assert said(node, result) == (id_, result.code, PROVIDER, node.chain.height)
    return result.code


async def test_what_is_out_of_form_is_turned_away_with_the_nodes_signed_word(node: Node):
    good = node.department("surgery")
    forged = structs.replace(good, transaction=structs.replace(good.transaction, signature=bytes(64)))
    late = node.chain.submission(node.scene.steward, Barrier(PROVIDER), valid_for=0)
    assert await refused(node, b"\xc1") == "malformed"
    assert await refused(node, encode(good) + b"\x00") == "malformed"
    assert await refused(node, bytes(MAX_SUBMISSION_BYTES + 1)) == "too-large"
    assert await refused(node, forged) == "bad-signature"
    assert await refused(node, late) == "expired-transaction"


async def test_what_the_state_forbids_is_turned_away_with_the_nodes_signed_word(node: Node):
    payload = AddDepartment(PROVIDER, "surgery", Actor("head of surgery").public)
    assert await refused(node, node.chain.submission(Actor("a stranger"), payload)) == "unknown-signer"
    assert await refused(node, node.chain.submission(node.chain.stewards[1], payload)) == "not-permitted"
    done = node.department("surgery")
    node.certify(done)
    assert await refused(node, done) == "replayed"
    assert await refused(node, node.department("surgery")) == "duplicate-id"


async def test_full_queues_are_busy_and_too_large_is_turned_away(node: Node):
    node.answer = "busy"
    result = await node.hand_in(node.department("surgery"))
    assert result.outcome is Outcome.BUSY and not result.statement
    node.answer = "too-large"
    result = await node.hand_in(node.department("surgery"))
    assert result.outcome is Outcome.TURNED_AWAY and said(node, result)[1] == "too-large"


async def test_without_a_certificate_in_time_it_is_pending_and_nobody_waits_any_more(node: Node):
    result = await node.hand_in(node.department("surgery"), timeout_ms=1)
    assert (result.outcome, result.detail) == (Outcome.PENDING, "")
    assert not node.waiters._transactions


async def test_what_keeps_everything_from_being_certified_is_said_with_pending(node: Node):
    node.trouble = "quorum lost"
    result = await node.hand_in(node.department("surgery"), timeout_ms=1)
    assert (result.outcome, result.detail) == (Outcome.PENDING, "quorum lost")


async def test_a_caller_that_goes_away_leaves_nothing_behind(node: Node):
    waiting = asyncio.create_task(node.hand_in(node.department("surgery")))
    await until(lambda: bool(node.taken))
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not node.waiters._transactions


class Granting:
    """A grant of the head with two parts."""

    def __init__(self) -> None:
        scene = Scene()
        scene.enrol("ada")
        scene.anchor(*(pointer(name, scene.handle("ada")) for name in ("a1", "a2")))
        self.request = scene.apply("a1", "a2")
        self.node = Node(scene, "busy")
        self.parts = [Part(id16(name), name.encode() * (PART_BYTES // 2) + b"x") for name in ("a1", "a2")]

    def grant(self, digest: bytes) -> Submission:
        payload = Grant(self.request, "head", b"", PROVIDER, "cardiology", PERMIT, (), digest)
        return self.node.chain.submission(self.node.scene.head, payload)

    def digest(self, parts: Sequence[Part]) -> bytes:
        return parts_digest([(part.object_id, part.sealed) for part in parts])

    async def code(self, parts: Sequence[Part], digest: bytes) -> str:
        result = await self.node.hand_in(self.grant(digest), parts)
        return result.code or result.outcome.value

    def kept(self, digest: bytes) -> dict[bytes, bytes]:
        return Stash(self.node.rows).parts(digest)


async def test_parts_are_kept_under_the_digest_that_the_grant_names_before_it_goes_out():
    granting = Granting()
    digest = granting.digest(granting.parts)
    assert await granting.code(granting.parts, digest) == "busy"
    assert granting.kept(digest) == {part.object_id: part.sealed for part in granting.parts}


async def test_parts_that_the_grant_does_not_name_are_not_kept():
    granting = Granting()
    digest = granting.digest(granting.parts)
    assert await granting.code(granting.parts[:1], digest) == "row-mismatch"
    assert await granting.code(granting.parts, b"") == "row-mismatch"
    assert await granting.code([granting.parts[0], granting.parts[0]], digest) == "duplicate"
    assert not granting.kept(digest) and not granting.node.taken
    other = await granting.node.hand_in(granting.node.department("surgery"), granting.parts)
    assert other.code == "row-mismatch"


@pytest.mark.parametrize(
    ("parts", "rule"),
    [
        ([Part(id16("a1"), bytes(PART_BYTES + 1))], "malformed"),
        ([Part(id16("a1"), b"")], "malformed"),
        ([Part(b"short", bytes(PART_BYTES))], "malformed"),
        ([Part(number.to_bytes(16, "big"), b"") for number in range(MAX_OBJECTS + 1)], "too-large"),
    ],
    ids=["long", "empty", "id", "many"],
)
async def test_parts_that_no_frame_would_carry_are_turned_away(parts: list[Part], rule: str):
    granting = Granting()
    assert await granting.code(parts, granting.digest(parts)) == rule
    assert not granting.node.taken


async def test_what_the_node_says_for_itself_is_signed_with_its_validator_key(node: Node):
    waiting = asyncio.create_task(node.admissions.submit_own(Barrier(PROVIDER)))
    await until(lambda: bool(node.taken))
    node.certify(node.taken[0])
    assert await waiting == "ok"
    assert await node.admissions.submit_own(Barrier(1)) == "not-permitted"
    node.answer = "busy"
    assert await node.admissions.submit_own(Barrier(PROVIDER)) == "busy"


async def test_below_the_disks_reserve_users_are_refused_and_the_nodes_own_word_goes_on(node: Node):
    node.free = 100 * MB
    node.reserve.look()
    with pytest.raises(OperatorError) as refused:
        await node.hand_in(node.department("surgery"))
    assert refused.value.code.code == "NOD-03" and not node.taken
    waiting = asyncio.create_task(node.admissions.submit_own(Barrier(PROVIDER)))
    await until(lambda: bool(node.taken))
    node.certify(node.taken[0])
    assert await waiting == "ok"
