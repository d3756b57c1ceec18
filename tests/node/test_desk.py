"""Intake's and signers' desk: identifiers' MACs, uploads, anchors, and the halves a signer may open."""

import asyncio
from pathlib import Path

import pytest

from chainnode.ledger.payloads import ROLE_HEAD, ROLE_PATIENT, ROLE_STEWARD, ObjectPointer, UsePolicy
from chainnode.node.admissions import Admissions
from chainnode.node.api import AnchorOrder, NotFound, ObjectUpload, Outcome, Refused, SubmitResult
from chainnode.node.desk import MAX_MACS, Desk
from chainnode.node.releases import Releases
from chainnode.node.reserve import MB, DiskReserve
from chainnode.node.stash import Stash
from chainnode.node.waiters import Waiters
from chainnode.pool.pool import Pool
from chainnode.vault.keys import verify
from consensus.codec import decode, encode
from genesis.errors import OperatorError
from tests.ledger.scene import DEPARTMENT, PROVIDER, STUDY, Scene, pointer
from tests.ledger.world import digest32, id16
from tests.node.failures import DISK_FULL
from tests.node.stand_ins import Log, SceneExecutor, signing_key, until
from tests.store.memory import MemoryChainStore


class Executor(SceneExecutor):
    def result(self, transaction_id: bytes):  # type: ignore[no-untyped-def]
        return self.results.get(transaction_id)


class Node:
    """The desk of the scene's provider. What is submitted is in a block at once, unless `accepts` is off."""

    def __init__(self, folder: Path) -> None:
        self.scene = Scene()
        self.scene.enrol("ada", "bob")
        self.chain, self.accepts = self.scene.chain, True
        self.executor, self.rows, self.log = Executor(self.chain), MemoryChainStore(), Log()
        self.executor.results = {}  # type: ignore[attr-defined]
        self.pool = Pool.open(folder)
        self.free = 1_000 * MB
        self.reserve = DiskReserve(folder, 500 * MB, self.log, lambda _: self.free)  # type: ignore[arg-type]
        self.waiters = Waiters(self.chain.height)
        self.desk = Desk(
            member=PROVIDER,
            local_key=bytes(32),
            pool=self.pool,
            rows=self.rows,
            executor=self.executor,  # type: ignore[arg-type]
            releases=Releases(self.chain.state, self.chain.rows.get, lambda: self.chain.now_ms),
            admissions=Admissions(
                chain_id=self.chain.chain_id,
                member=PROVIDER,
                validator=signing_key("validator 0"),
                parameters=self.chain.parameters,
                executor=self.executor,  # type: ignore[arg-type]
                waiters=self.waiters,
                stash=Stash(self.rows),
                intake=self,
                verify=verify,
                trouble=str,
                reserve=self.reserve,
                log=self.log,
            ),
            reserve=self.reserve,
            log=self.log,
        )

    def submit(self, submission, client: str, valid_until_height: int) -> str:  # type: ignore[no-untyped-def]
        if not self.accepts:
            return ""
        asyncio.get_running_loop().call_soon(self.commit, submission)
        return ""

    def commit(self, submission) -> None:  # type: ignore[no-untyped-def]
        block = self.chain.commit(submission)
        self.executor.results |= {one.transaction_id: one for one in block.execution.results}  # type: ignore[attr-defined]
        self.waiters.executed(block.header, block.execution)
        self.waiters.certified(block.header.height)

    async def upload(self, name: str) -> None:
        data = name.encode()
        await self.desk.put_object(ObjectUpload(id16(name), data, b"wrap " + data, b"recipients " + data))

    async def anchor(
        self, *pointers: ObjectPointer, seen: tuple[bytes, ...] = (), timeout_ms: int = 60_000
    ) -> SubmitResult:
        order = AnchorOrder(
            DEPARTMENT,
            STUDY,
            encode(UsePolicy("GRU")),
            tuple(encode(one) for one in pointers),
            b"sealed key",
            digest32("report"),
            seen,
        )
        return await self.desk.anchor(order, client="steward", timeout_ms=timeout_ms)

    def stored(self, name: str) -> list[bool]:
        pool = self.pool
        return [store.exists(id16(name)) for store in (pool.wraps, pool.recipients, pool.objects)]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "pool")


def mac(name: str) -> bytes:
    return id16("mac " + name)


async def test_a_subject_is_found_by_any_of_its_identifiers(node: Node):
    await node.desk.link_subject([mac("mrn"), mac("ssn")], id16("ada"))
    assert await node.desk.resolve_subject([mac("phone"), mac("ssn")]) == id16("ada")
    assert await node.desk.resolve_subject([mac("phone")]) is None
    await node.desk.link_subject([mac("ssn"), mac("phone")], id16("ada"))
    assert await node.desk.resolve_subject([mac("phone")]) == id16("ada")


async def test_an_identifier_belongs_to_one_enrolment(node: Node):
    await node.desk.link_subject([mac("mrn")], id16("ada"))
    with pytest.raises(Refused) as caught:
        await node.desk.link_subject([mac("phone"), mac("mrn")], id16("bob"))
    assert caught.value.rule == "subject-linked"
    assert await node.desk.resolve_subject([mac("phone")]) is None, "nothing was written"
    await node.desk.link_subject([mac("phone")], id16("bob"))
    with pytest.raises(Refused) as caught:
        await node.desk.resolve_subject([mac("mrn"), mac("phone")])
    assert caught.value.rule == "subject-ambiguous"


@pytest.mark.parametrize("macs", [[], [b"short"], [mac("a"), bytes(17)], [bytes(16)] * (MAX_MACS + 1)])
async def test_macs_of_another_number_or_length_are_refused(node: Node, macs: list[bytes]):
    for call in (
        node.desk.link_subject(macs, id16("ada")),
        node.desk.resolve_subject(macs),
        node.desk.seen(macs),
    ):
        with pytest.raises(Refused) as caught:
            await call
        assert caught.value.rule == "malformed"


def test_an_intake_key_is_of_one_department_of_this_member(node: Node):
    assert len(node.desk.intake_key(DEPARTMENT)) == 32
    with pytest.raises(NotFound):
        node.desk.intake_key("surgery")


async def test_an_upload_is_stored_whole_and_again_without_harm(node: Node):
    await node.upload("a1")
    await node.upload("a1")
    assert node.stored("a1") == [True] * 3
    with pytest.raises(Refused) as caught:
        await node.desk.put_object(ObjectUpload(id16("a1"), b"other bytes", b"wrap a1", b"recipients a1"))
    assert caught.value.rule == "object-exists" and node.stored("a1") == [True] * 3


@pytest.mark.parametrize("at", ["wraps", "recipients", "objects"])
async def test_a_full_disk_leaves_nothing_of_an_upload(node: Node, at: str, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise DISK_FULL

    await node.upload("a1")
    monkeypatch.setattr(getattr(node.pool, at), "put", fail)
    with pytest.raises(OperatorError) as caught:
        await node.upload("a2")
    assert caught.value is DISK_FULL
    assert node.stored("a2") == [False] * 3 and node.stored("a1") == [True] * 3


async def test_what_cannot_be_taken_back_either_is_logged_and_the_first_error_is_told(
    node: Node, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_: object) -> None:
        raise DISK_FULL

    monkeypatch.setattr(node.pool.objects, "put", fail)
    monkeypatch.setattr(node.pool.wraps, "delete", fail)
    with pytest.raises(OperatorError):
        await node.upload("a1")
    assert node.stored("a1") == [True, False, False] and node.log.said("not taken back") == 1


async def test_an_object_is_anchored_once_it_was_stored_and_not_before(node: Node):
    one = pointer("a1", node.scene.handle("ada"))
    with pytest.raises(Refused) as caught:
        await node.anchor(one)
    assert caught.value.rule == "object-missing"
    await node.upload("a1")
    result = await node.anchor(one)
    assert (result.outcome, result.code) == (Outcome.COMMITTED, "ok")


async def test_what_is_no_pointer_is_refused(node: Node):
    order = AnchorOrder(DEPARTMENT, STUDY, encode(UsePolicy("GRU")), (b"\xc1",), b"key", digest32("report"))
    with pytest.raises(Refused) as caught:
        await node.desk.anchor(order, client="steward", timeout_ms=1)
    assert caught.value.rule == "malformed"


async def test_an_intake_counts_as_seen_once_its_anchor_is_on_chain(node: Node):
    await node.upload("a1")
    assert await node.desk.seen([mac("bundle")]) == (False,)
    await node.anchor(pointer("a1", node.scene.handle("ada")), seen=(mac("bundle"),))
    assert await node.desk.seen([mac("bundle"), mac("other")]) == (True, False)


async def test_an_intake_whose_answer_came_too_late_counts_all_the_same(node: Node):
    """A crash between the certificate and the mark would have the same records taken in twice."""
    await node.upload("a1")
    node.accepts = False
    sent: list = []  # type: ignore[type-arg]
    node.submit = lambda submission, *_: sent.append(submission) or ""  # type: ignore[method-assign]
    result = await node.anchor(pointer("a1", node.scene.handle("ada")), seen=(mac("bundle"),), timeout_ms=1)
    assert result.outcome is Outcome.PENDING
    assert await node.desk.seen([mac("bundle")]) == (False,)
    node.commit(sent[0])
    assert await node.desk.seen([mac("bundle")]) == (True,)


async def test_an_anchor_that_was_refused_leaves_the_intake_unseen_and_an_earlier_one_seen(node: Node):
    stranger = pointer("a1", id16("nobody"))
    await node.upload("a1")
    result = await node.anchor(stranger, seen=(mac("bundle"),))
    assert result.code == "unknown-patient" and await node.desk.seen([mac("bundle")]) == (False,)
    await node.anchor(pointer("a1", node.scene.handle("ada")), seen=(mac("bundle"),))
    result = await node.anchor(stranger, seen=(mac("bundle"),))
    assert result.code != "ok" and await node.desk.seen([mac("bundle")]) == (True,)


async def test_marks_of_a_wrong_form_are_refused_before_anything_is_anchored(node: Node):
    await node.upload("a1")
    height = node.chain.height
    with pytest.raises(Refused):
        await node.anchor(pointer("a1", node.scene.handle("ada")), seen=(b"short",))
    assert node.chain.height == height


async def halved(node: Node) -> bytes:
    """An application for objects of two patients, stored and anchored here."""
    for name, patient in (("a1", "ada"), ("b1", "bob")):
        await node.upload(name)
        await node.anchor(pointer(name, node.scene.handle(patient)))
    return node.scene.apply("a1", "b1")


async def found(node: Node, request: bytes, role: str, handle: bytes = b"", department: str = "") -> set:  # type: ignore[type-arg]
    halves = await node.desk.halves(request, role=role, handle=handle, department=department)
    pointers = [decode(one.pointer, ObjectPointer, limit_bytes=10_000) for one in halves]
    return {(one.object_id, half.wrapped) for one, half in zip(pointers, halves, strict=True)}


async def test_a_head_gets_the_wraps_of_its_department_and_a_patient_its_own_recipients(node: Node):
    request, ada = await halved(node), node.scene.handle("ada")
    wraps = {(id16("a1"), b"wrap a1"), (id16("b1"), b"wrap b1")}
    assert await found(node, request, ROLE_HEAD, department=DEPARTMENT) == wraps
    assert await found(node, request, ROLE_HEAD, department="surgery") == set()
    assert await found(node, request, ROLE_PATIENT, ada) == {(id16("a1"), b"recipients a1")}
    assert await found(node, request, ROLE_PATIENT, id16("nobody")) == set()


async def test_halves_of_another_members_objects_are_not_given(node: Node):
    request = await halved(node)
    node.desk._member = 1
    assert await found(node, request, ROLE_HEAD, department=DEPARTMENT) == set()


async def test_a_half_that_was_deleted_is_left_out_and_logged(node: Node):
    request = await halved(node)
    node.pool.wraps.delete(id16("a1"))
    assert await found(node, request, ROLE_HEAD, department=DEPARTMENT) == {(id16("b1"), b"wrap b1")}
    assert node.log.said("a half is not here") == 1


async def test_other_roles_and_unknown_applications_have_no_halves(node: Node):
    request = await halved(node)
    with pytest.raises(Refused):
        await found(node, request, ROLE_STEWARD)
    with pytest.raises(NotFound):
        await found(node, id16("unknown"), ROLE_HEAD, department=DEPARTMENT)


async def test_two_uploads_at_once_do_not_disturb_each_other(node: Node):
    await asyncio.gather(node.upload("a1"), node.upload("a2"), node.upload("a1"))
    await until(lambda: node.stored("a1") == node.stored("a2") == [True] * 3)


async def test_below_the_disks_reserve_nothing_is_taken_into_the_pool_or_anchored(node: Node):
    await node.upload("a1")
    node.free = 100 * MB
    node.reserve.look()
    for call in (node.upload("b1"), node.anchor(pointer("a1", node.scene.handle("ada")))):
        with pytest.raises(OperatorError) as refused:
            await call
        assert refused.value.code.code == "NOD-03"
    assert node.stored("b1") == [False, False, False] and node.stored("a1") == [True, True, True]
