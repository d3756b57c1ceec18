"""A stranger, and a member that turned hostile, on the links: the network goes on and logs the rule."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from msgspec import structs

from chainnode.cli.actions.departments import add_department
from chainnode.cli.actions.patients import departments_of
from chainnode.ledger.payloads import AddDepartment, ClassKey, EnrolPatient
from chainnode.ledger.transaction import (
    BatchBody,
    Row,
    SignedBatch,
    SignedTransaction,
    Submission,
    TransactionBody,
    batch_signed_bytes,
)
from chainnode.net.port import Channel
from chainnode.net.wire import (
    Batch,
    Blocks,
    BlocksRequest,
    Consensus,
    ObjectMissing,
    ObjectRequest,
    PartDelivery,
    Status,
    encode_frame,
)
from chainnode.node.api import NotFound
from chainnode.vault.keys import SigningKey
from chainnode.vault.keystore import NodeKeys
from consensus.codec import encode
from consensus.domain import SUITE, signing_bytes
from consensus.messages import BlockVote, PrePrepare, ViewChange
from genesis.document import load_genesis
from tests.demo.world import World
from tests.e2e.impostor import Impostor, Log, impostor
from tests.e2e.town import eventually, level, town
from tests.localnet.consortium import PASSPHRASE, Consortium

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = 2
HONEST = (0, 1, 3)
FLOOD = 3_000
EXPIRY = 900
"""Above every height of this test, and less than the 1,000 heights ahead that are allowed."""
LINK = Row(b"s" * 32, b"l" * 32)


@dataclass
class Scene:
    """Member 2's daemon is down, the test has its keys. The other three are just a quorum."""

    world: World
    keys: NodeKeys
    chain_id: bytes
    frame_bytes: int
    batch_bytes: int
    sequence: int = field(default=1 << 50)

    def log(self, member: int = 0) -> Log:
        return Log(self.world.nodes.log_file(self.world.hospitals[member]))

    def batch(
        self, *transactions: SignedTransaction, rows: tuple[Row, ...] = (), **changed: object
    ) -> SignedBatch:
        """A batch that member 2 signed, good but for what is changed."""
        self.sequence += 1
        body = structs.replace(BatchBody(HOSTILE, self.sequence, EXPIRY, transactions), **changed)
        return self.signed(encode(body), rows)

    def signed(self, body: bytes, rows: tuple[Row, ...] = ()) -> SignedBatch:
        return SignedBatch(body, self.keys.validator.sign(batch_signed_bytes(self.chain_id, body)), rows)

    def transaction(self, name: str = "", **changed: object) -> SignedTransaction:
        """Of hospital A's steward, good but for what is changed."""
        steward = self.world.stewards[0].signing
        payload = AddDepartment(0, name or f"w-{os.urandom(6).hex()}", SigningKey.generate().public)
        body = TransactionBody(SUITE, self.chain_id, EXPIRY, os.urandom(16), steward.public, payload)
        return self.sign(encode(structs.replace(body, **changed)))

    def sign(self, body: bytes) -> SignedTransaction:
        steward = self.world.stewards[0].signing
        return SignedTransaction(body, steward.sign(signing_bytes("transaction", self.chain_id, body)))

    async def goes_on(self) -> None:
        """The three others commit, which takes all of them, and no daemon ended or failed."""
        client = await self.world.client(0)
        before = (await self.world.nodes.status(0)).height
        head = SigningKey.generate().public
        added = await add_department(client, self.world.stewards[0], head, f"on-{os.urandom(6).hex()}")
        assert added.code == "ok" and added.height > before
        await level(self.world, *HONEST)
        for member in HONEST:
            log = self.world.nodes.log_file(self.world.hospitals[member]).read_text()
            assert "Traceback" not in log, member


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(consortium: Consortium) -> AsyncIterator[Scene]:
    async with town(consortium) as world:
        world.nodes.stop(HOSTILE)
        genesis = load_genesis(consortium.genesis_file)
        keys = NodeKeys.open(world.hospitals[HOSTILE].home / "keystore.key", PASSPHRASE)
        parameters = genesis.parameters
        yield Scene(world, keys, genesis.chain_id, parameters.frame_bytes, parameters.batch_bytes)


@pytest_asyncio.fixture(loop_scope="module")
async def member(scene: Scene) -> AsyncIterator[Impostor]:
    """Linked with all three under member 2's own key."""
    async with impostor(scene.world, HOSTILE, scene.keys.transport.seed, peers=HONEST) as made:
        await made.linked(*HONEST)
        yield made


@pytest.mark.parametrize(
    ("claims", "own_key", "own_chain", "reason"),
    [
        (HOSTILE, False, True, "stranger"),
        (3, True, True, "wrong-member"),
        (HOSTILE, True, False, "wrong-chain"),
    ],
)
async def test_who_is_not_the_member_that_it_says_gets_no_link(
    scene: Scene, claims: int, own_key: bool, own_chain: bool, reason: str
) -> None:
    seed = scene.keys.transport.seed if own_key else os.urandom(32)
    chain_id = scene.chain_id if own_chain else os.urandom(32)
    log = scene.log()
    async with impostor(scene.world, claims, seed, peers=(0,), chain_id=chain_id) as made:
        await log.shows(event="no link", reason=reason)
        assert made.up == set() and not made.transport.links()[0].up
    await scene.goes_on()
    links = (await scene.world.nodes.status(0)).links
    assert {link.member for link in links if link.up} == {1, 3}


def longer(data: bytes) -> bytes:
    assert data[0] & 0xF0 == 0x90
    return b"\xdc" + bytes([0, data[0] & 0x0F]) + data[1:]


FRAMES: dict[str, tuple[str, bytes]] = {
    "garbage": ("malformed", b"\xc1" + os.urandom(2_000)),
    "no frame": ("malformed", encode(("no-such-frame", 1))),
    "a field out of range": ("malformed", encode(("status", -1, 0))),
    "spelled longer": ("non-canonical", longer(encode_frame(Status(1, 0)))),
    "deeply nested": ("malformed", b"\x91" * 50_000),
}


@pytest.mark.parametrize("name", FRAMES)
async def test_a_frame_that_is_none_is_logged_with_its_rule(
    scene: Scene, member: Impostor, name: str
) -> None:
    rule, frame = FRAMES[name]
    log = scene.log()
    for channel in Channel:
        await member.say(frame, 0, channel=channel)
    await log.shows(event="frame refused", rule=rule, peer=HOSTILE)
    await scene.goes_on()
    assert 0 in member.up


async def test_a_frame_over_the_limit_ends_the_link_before_it_is_taken_in(
    scene: Scene, member: Impostor
) -> None:
    log = scene.log()
    await member.say(b"x" * (scene.frame_bytes + 1), 0)
    await log.shows(event="link down", reason="frame-too-large", peer=HOSTILE)
    await scene.goes_on()
    assert any(event.peer == 0 and not event.up for event in member.events)
    assert not any(event.peer in (1, 3) and not event.up for event in member.events)
    await member.linked(0)  # it may come back and behave


def forged(scene: Scene) -> dict[str, tuple[str, bytes]]:
    """Consensus messages with the rule that turns each away."""
    vote = BlockVote(0, 5, b"h" * 32, 1, b"s" * 64)
    own = structs.replace(vote, replica=HOSTILE)
    other_chain = signing_bytes("block-vote", b"\x01" * 32, encode((0, 5, b"h" * 32, HOSTILE)))
    return {
        "no message": ("malformed", b"\xc1junk"),
        "in another's name": ("signature", encode(vote)),
        "of nobody": ("stranger", encode(structs.replace(vote, replica=77))),
        "of another epoch": ("epoch", encode(structs.replace(own, epoch=9))),
        "signed for another chain": (
            "signature",
            encode(structs.replace(own, signature=scene.keys.validator.sign(other_chain))),
        ),
        "spelled longer": ("non-canonical", longer(encode(own))),
        "a view beyond reason": ("form", encode(ViewChange(0, 1 << 60, None, (), HOSTILE, b"s" * 64))),
        "a proposal in the primary's name": (
            "signature",
            encode(PrePrepare(0, 0, 500, 0, (), 0, b"s" * 64)),
        ),
    }


async def test_forged_votes_and_proposals_are_refused_by_their_rule(scene: Scene, member: Impostor) -> None:
    for name, (rule, message) in forged(scene).items():
        log = scene.log(1)
        await member.say(Consensus(message), 1, channel=Channel.VOTES)
        try:
            await log.shows(event="message refused", rule=rule, peer=HOSTILE)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None
    await scene.goes_on()

    async def one_view() -> bool:
        return len({(await scene.world.nodes.status(one)).view for one in HONEST}) == 1

    await eventually(one_view)  # a slow machine may be changing it, the three together


Bad = Callable[[Scene], SignedBatch]


def enrolment(scene: Scene, *rows: Row) -> SignedBatch:
    """An enrolment whose signed body names the digest of LINK, with other rows beside it."""
    class_keys = (ClassKey("conditions", 0, SigningKey.generate().public),)
    payload = EnrolPatient(0, os.urandom(16), SigningKey.generate().public, class_keys, LINK.digest())
    return scene.batch(scene.transaction(payload=payload), rows=rows)


def flipped(scene: Scene) -> SignedBatch:
    good = scene.transaction()
    return scene.batch(structs.replace(good, signature=good.signature[:-1] + bytes([good.signature[-1] ^ 1])))


def unsigned(scene: Scene) -> SignedBatch:
    return structs.replace(scene.batch(scene.transaction()), signature=bytes(64))


def too_large(scene: Scene) -> SignedBatch:
    """Within a frame, above what the genesis document lets a batch have."""
    payload = AddDepartment(0, "w" * (scene.batch_bytes + 10), b"k" * 32)
    return scene.batch(scene.transaction(payload=payload))


def twice(scene: Scene) -> SignedBatch:
    one = scene.transaction()
    return scene.batch(one, one)


BATCHES: dict[str, tuple[str, Bad]] = {
    "a signature of a transaction flipped": ("bad-signature", flipped),
    "a transaction for another chain": (
        "other-chain",
        lambda scene: scene.batch(scene.transaction(chain_id=b"\x01" * 32)),
    ),
    "another suite": ("unknown-suite", lambda scene: scene.batch(scene.transaction(suite=SUITE + 1))),
    "a transaction spelled longer": (
        "non-canonical",
        lambda scene: scene.batch(scene.sign(longer(scene.transaction().body))),
    ),
    "a transaction that is none": ("malformed", lambda scene: scene.batch(scene.sign(b"\x93\x01\x02\x03"))),
    "a good one beside a bad one": (
        "malformed",
        lambda scene: scene.batch(scene.transaction(), scene.transaction(nonce=b"short")),
    ),
    "a transaction twice": ("duplicate", twice),
    "too large": ("too-large", too_large),
    "no transaction": ("malformed", lambda scene: scene.batch()),
    "a row that does not match": ("row-mismatch", lambda scene: enrolment(scene, Row(LINK.salt, b"o" * 32))),
    "a row that is missing": ("row-mismatch", enrolment),
    "a row too many": ("row-mismatch", lambda scene: scene.batch(scene.transaction(), rows=(LINK,))),
    "not signed by its origin": ("bad-signature", unsigned),
    "in another member's name": (
        "bad-signature",
        lambda scene: scene.batch(scene.transaction(), origin=1),
    ),
    "of no member": ("unknown-origin", lambda scene: scene.batch(scene.transaction(), origin=9)),
    "spelled longer": (
        "non-canonical",
        lambda scene: scene.signed(longer(scene.batch(scene.transaction()).body)),
    ),
}


@pytest.mark.parametrize("name", BATCHES)
async def test_a_bad_batch_is_refused_by_its_rule_and_never_ordered(
    scene: Scene, member: Impostor, name: str
) -> None:
    rule, build = BATCHES[name]
    logs = {one: scene.log(one) for one in HONEST}
    await member.say(Batch(encode(build(scene))))
    for log in logs.values():
        await log.shows(event="batch refused", rule=rule, peer=HOSTILE)
    await scene.goes_on()
    names = await departments_of(await scene.world.client(0), 0)
    assert names and not [one for one in names if one.startswith("w")]


@pytest.mark.parametrize(("expiry", "rule"), [(1, "expired"), (1_000_000, "expiry-too-far")])
async def test_a_batch_for_a_time_that_is_over_or_far_away_is_dropped(
    scene: Scene, member: Impostor, expiry: int, rule: str
) -> None:
    log = scene.log()
    await member.say(Batch(encode(scene.batch(scene.transaction(), expiry_height=expiry))))
    await log.shows(event="batch dropped", rule=rule, peer=HOSTILE)
    await scene.goes_on()


async def test_replayed_and_expired_transactions_in_a_good_batch_change_nothing(
    scene: Scene, member: Impostor
) -> None:
    client = await scene.world.client(0)
    first = scene.transaction("on-first")
    taken = await client.submit(encode(Submission(first)))
    assert taken.code == "ok"
    await level(scene.world, *HONEST)
    expired, good = scene.transaction(valid_until_height=1), scene.transaction("on-good")
    await member.say(Batch(encode(scene.batch(first, expired, good))))

    async def included() -> int:
        try:
            return (await client.transaction(good.id()))[0]
        except NotFound:
            return 0

    height = await eventually(included)
    codes = {id_: code for id_, _, code in (await client.block(height)).transactions}
    assert codes == {first.id(): "replayed", expired.id(): "expired-transaction", good.id(): "ok"}
    assert (await client.transaction(first.id()))[0] == taken.height < height
    await scene.goes_on()


async def test_a_height_that_nobody_certified_and_blocks_that_prove_nothing_lead_nowhere(
    scene: Scene, member: Impostor
) -> None:
    log = scene.log()
    block = await (await scene.world.client(0)).block(1)
    claimed = 1_000_000

    async def asked() -> bool:
        await member.say(Status(claimed, 0), 0)
        return any(who == 0 and isinstance(frame, BlocksRequest) for who, frame in member.heard)

    await eventually(asked)
    await member.say(Blocks((b"\xc1junk", block.header), claimed), 0)
    await log.shows(event="a peer sent an unproven block", peer=HOSTILE)
    await scene.goes_on()
    assert (await scene.world.nodes.status(0)).height < claimed


async def test_ciphertexts_and_parts_without_a_release_are_not_served_nor_taken(
    scene: Scene, member: Impostor
) -> None:
    log = scene.log()
    request, wanted = os.urandom(16), os.urandom(16)
    await member.say(ObjectRequest(request, wanted), 0)
    assert (await member.hears(0, ObjectMissing)).object_id == wanted
    await log.shows(event="object asked for without a release", peer=HOSTILE)
    await member.say(PartDelivery(1, request, (), (), True), 0)
    await log.shows(event="parts without a release", peer=HOSTILE)
    await scene.goes_on()


async def test_a_flood_of_garbage_neither_stops_the_others_nor_fills_the_log(
    scene: Scene, member: Impostor
) -> None:
    logs = {one: scene.log(one) for one in HONEST}

    async def flood() -> None:
        for number in range(FLOOD):
            await member.say(b"\xc1" + number.to_bytes(4, "big"), channel=Channel(number % 2))

    flooding = asyncio.create_task(flood())
    while not flooding.done():
        await scene.goes_on()
    await flooding
    for log in logs.values():
        await log.shows(event="frame refused", peer=HOSTILE)
        assert sum(line["event"] == "frame refused" for line in log.lines()) < FLOOD // 10
    await scene.goes_on()


async def test_the_members_own_daemon_comes_back_and_votes_with_the_others(scene: Scene) -> None:
    scene.world.nodes.start(HOSTILE)
    await scene.world.nodes.ready(HOSTILE)
    reports = await level(scene.world)
    assert [one.member for one in reports] == [0, 1, 2, 3]
    await scene.goes_on()
