"""Erasures carried out on one machine: what is gone, in what order, and after a crash."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from chainnode.ledger import keys
from chainnode.ledger.documents import Provision
from chainnode.ledger.payloads import PERMIT, AttestErasure, Erase, EraseObjects, Payload, RequestRelease
from chainnode.ledger.transaction import Row
from chainnode.node import erasures as erasures_module
from chainnode.node.erasures import Erasures
from chainnode.node.stash import Stash
from chainnode.pool.pool import Pool
from chainnode.vault.parts import PART_BYTES
from genesis.errors import OperatorError
from tests.ledger.scene import DEPARTMENT, PROVIDER, Scene, consent_row, pointer
from tests.ledger.world import id16
from tests.node.failures import DISK_FULL
from tests.node.grown import Grown, founded
from tests.node.stand_ins import Log, stopped, until

REQUEST = b"r" * 16
PART = b"a sealed part".ljust(PART_BYTES)


class Machine:
    """A provider's node: the chain with two patients, an object of each in the pool, parts and links."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.grown: Grown = founded(folder / "store")
        self.scene = Scene(self.grown)
        self.scene.enrol("ada", "bob")
        self.scene.anchor(*(pointer(f"{name}1", self.scene.handle(name)) for name in ("ada", "bob")))
        self.consent = self.scene.consent("ada", Provision(PERMIT))
        self.row = consent_row("adac1", Provision(PERMIT))
        self.pool = Pool.open(folder / "pool")
        for name in ("ada1", "bob1"):
            for store in (self.pool.wraps, self.pool.recipients, self.pool.objects):
                store.put(id16(name), b"of " + name.encode())
        stash = Stash(self.grown.store)
        self.parts = stash.keep([(id16("ada1"), PART), (id16("bob1"), PART)])
        for name in ("ada1", "bob1"):
            stash.deliver(REQUEST, [(id16(name), "provider", PART)], [(id16(name), b"pseudonym " + PART)])
        self.grown.store.local_put(b"subject/ada's mac", self.scene.handle("ada"))
        self.grown.store.local_put(b"subject/bob's mac", self.scene.handle("bob"))
        self.floors: list[int] = []
        self.attested: list[Payload] = []
        self.log = Log()

    def erasures(self) -> Erasures:
        """As a start makes it."""
        opened = SimpleNamespace(
            member=SimpleNamespace(number=PROVIDER),
            store=self.grown.store,
            rows=self.grown.stored_rows,
            pool=self.pool,
            executor=self.grown.executor,
        )
        snapshots = SimpleNamespace(raise_floor=self.floors.append)
        return Erasures(opened, snapshots, self.submit, self.log)  # type: ignore[arg-type]

    async def submit(self, payload: Payload) -> str:
        self.attested.append(payload)
        return self.grown.run(self.grown.validators[PROVIDER], payload).code

    def erase_ada(self) -> None:
        self.grown.must(self.scene.patients["ada"], Erase(self.scene.handle("ada"), "all", b""))

    def held(self, name: str) -> list[bool]:
        """Wrap, recipients, ciphertext."""
        stores = (self.pool.wraps, self.pool.recipients, self.pool.objects)
        return [store.exists(id16(name)) for store in stores]

    def local(self) -> list[tuple[bytes, bytes]]:
        return list(self.grown.store.local_iter(b""))

    def raw(self, folder: str) -> bytes:
        files = [path for path in (self.folder / "store" / folder).rglob("*") if path.is_file()]
        return b"".join(path.read_bytes() for path in files)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.grown.close()


def rows_of(machine: Machine) -> list[Row]:
    """Ada's link and consent."""
    return [machine.scene.enrolment("ada")[1], machine.row]


async def test_a_patients_rows_wraps_objects_parts_and_links_go_and_others_stay(machine: Machine):
    planted = machine.raw("rows")
    assert all(row.salt in planted and row.data in planted for row in rows_of(machine))
    machine.erase_ada()
    await machine.erasures().carry_out()
    left = machine.raw("rows")
    assert not any(row.salt in left or row.data in left for row in rows_of(machine))
    assert machine.scene.enrolment("bob")[1].salt in left
    assert machine.held("ada1") == [False] * 3 and machine.held("bob1") == [True] * 3
    assert Stash(machine.grown.store).parts(machine.parts) == {id16("bob1"): PART}
    named = [key for key, _ in machine.local() if id16("ada1") in key]
    assert not named and len([key for key, _ in machine.local() if id16("bob1") in key]) == 2
    links = dict(machine.grown.store.local_iter(b"subject/"))
    assert list(links.values()) == [machine.scene.handle("bob")]
    machine.grown.stored_rows.put(rows_of(machine))  # a peer offers them again
    assert all(machine.grown.stored_rows.get(row.digest()) is None for row in rows_of(machine))


async def test_the_files_of_local_rows_do_not_hold_what_was_erased(machine: Machine):
    """Their blocks are compressed: what does not compress is what can be looked for."""
    marker = bytes(range(128, 256)) * 2
    machine.grown.store.local_put(b"subject/" + marker, machine.scene.handle("ada"))
    machine.grown.store.local_compact(b"subject/")
    assert marker[:128] in machine.raw("local")
    machine.erase_ada()
    await machine.erasures().carry_out()
    assert marker[:128] not in machine.raw("local")


async def test_one_consent_takes_its_row_alone(machine: Machine):
    machine.grown.must(
        machine.scene.patients["ada"], Erase(machine.scene.handle("ada"), "consent", machine.consent)
    )
    await machine.erasures().carry_out()
    link, consent = rows_of(machine)
    assert machine.grown.stored_rows.get(link.digest()) == link
    assert machine.grown.stored_rows.is_erased(consent.digest()) and consent.salt not in machine.raw("rows")
    assert machine.held("ada1") == [True] * 3


async def test_objects_go_and_the_patients_rows_stay(machine: Machine):
    machine.grown.must(machine.scene.head, EraseObjects(PROVIDER, DEPARTMENT, (id16("bob1"),)))
    await machine.erasures().carry_out()
    assert machine.held("bob1") == [False] * 3 and machine.held("ada1") == [True] * 3
    assert not any(id16("bob1") in key for key, _ in machine.local())
    link = machine.scene.enrolment("bob")[1]
    assert machine.grown.stored_rows.get(link.digest()) == link


async def test_nothing_is_deleted_before_the_block_is_certified(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    machine.erase_ada()
    genesis = machine.grown.headers[0]
    with monkeypatch.context() as patch:
        patch.setattr(machine.grown.executor, "_certified_header", genesis)
        erasures = machine.erasures()
        await erasures.carry_out()
        assert machine.held("ada1") == [True] * 3 and erasures.done == 0
    await erasures.carry_out()
    assert machine.held("ada1") == [False] * 3 and erasures.done == 1


async def test_older_snapshots_are_withdrawn_before_a_row_goes(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    machine.erase_ada()
    erase = machine.grown.stored_rows.erase
    monkeypatch.setattr(
        machine.grown.stored_rows, "erase", lambda rows: machine.floors.append(-1) or erase(rows)
    )
    await machine.erasures().carry_out()
    assert machine.floors == [machine.grown.height, -1]


async def test_an_erasure_that_was_cut_short_is_finished_by_the_next_start(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    machine.erase_ada()

    async def fails(_: bytes) -> bool:
        raise DISK_FULL

    with monkeypatch.context() as patch:
        patch.setattr(machine.pool.recipients, "delete_async", fails)
        with pytest.raises(OperatorError):
            await machine.erasures().carry_out()
    assert machine.held("ada1") == [False, True, True], "the wrap went first"
    machine.grown.reopen()
    erasures = machine.erasures()
    assert erasures.done == 0
    await erasures.carry_out()
    assert machine.held("ada1") == [False] * 3 and erasures.done == 1
    assert not any(id16("ada1") in key for key, _ in machine.local())


async def test_a_node_out_of_a_backup_carries_out_what_its_backup_does_not_know(machine: Machine):
    """The backup has wraps, objects, parts and links of before, and the number that was done then."""
    before, wrap = machine.local(), machine.pool.wraps.get(id16("ada1"))
    machine.erase_ada()
    await machine.erasures().carry_out()
    machine.pool.wraps.put(id16("ada1"), wrap)
    machine.grown.store.local_write({key: None for key, _ in machine.local()} | dict(before))
    assert machine.erasures().done == 0
    await machine.erasures().carry_out()
    assert machine.held("ada1") == [False] * 3
    assert not any(id16("ada1") in key for key, _ in machine.local())


async def test_the_node_attests_what_it_has_done_once(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(erasures_module, "LOOK_EVERY_MS", 5)
    machine.erase_ada()
    machine.grown.must(machine.scene.head, EraseObjects(PROVIDER, DEPARTMENT, (id16("bob1"),)))
    running = asyncio.create_task(machine.erasures().run())
    state = machine.grown.state
    await until(lambda: state.get(keys.erasure_attested(2, PROVIDER)) is not None)
    await stopped(running)
    again = machine.erasures()
    running = asyncio.create_task(again.run())
    await until(lambda: again._attested == 2)
    await stopped(running)
    assert machine.attested == [AttestErasure(PROVIDER, 1), AttestErasure(PROVIDER, 2)]


async def test_a_store_of_objects_that_does_not_answer_is_asked_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(erasures_module, "LOOK_EVERY_MS", 5)
    machine.erase_ada()
    delete, failed = machine.pool.objects.delete_async, 0

    async def fails_twice(object_id: bytes) -> bool:
        nonlocal failed
        failed += 1
        if failed < 3:
            raise machine.pool.objects._failure("it", OSError("unreachable"))
        return await delete(object_id)

    monkeypatch.setattr(machine.pool.objects, "delete_async", fails_twice)
    erasures = machine.erasures()
    running = asyncio.create_task(erasures.run())
    await until(lambda: erasures.done == 1)
    await stopped(running)
    assert machine.log.said("an erasure waits for the object store") == 2
    assert machine.held("ada1") == [False] * 3


async def test_a_receipt_of_before_is_stored_without_the_row(machine: Machine):
    """A decision and the erasure in one block: the receipt is made of what stands after it."""
    request = machine.scene.apply("ada1")
    machine.scene.grant_steward(request)
    machine.scene.grant_head(request)
    assert machine.scene.release(request).outcome == "AUTHORISED"
    ask = machine.grown.submission(machine.scene.project(), RequestRelease(request))
    erase = Erase(machine.scene.handle("ada"), "consent", machine.consent)
    machine.grown.commit(ask, machine.grown.submission(machine.scene.patients["ada"], erase))
    stored = b"".join(body for _, body in machine.grown.store.receipts(request))
    assert stored and machine.row.salt not in stored and machine.row.data not in stored
