"""What an operator is told of beside the node's own work, put together."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from chainnode.ledger import features
from chainnode.net import wire
from chainnode.node.restored import ASKING, MARK_KEY, Mark
from chainnode.node.turn import Turn
from chainnode.node.watch import Watch
from consensus.ballot import PEERS_KNOW_MORE, RESTORED
from consensus.codec import encode
from consensus.parameters import Parameters
from consensus.ready import Evidence, Rejection
from genesis.membership import FEATURE
from tests.ledger.changing import make
from tests.ledger.world import Chain, verify
from tests.node.stand_ins import Log
from tests.node.test_witness import House
from tests.store.memory import MemoryChainStore

WALL_MS = 1_700_000_000_000


class Scene:
    """Member 0's watch over a chain of the ledger's tests."""

    def __init__(self, folder: Path, rows: MemoryChainStore | None = None) -> None:
        self.chain, self.log, self.rows = Chain(), Log(), rows or MemoryChainStore()
        self.told: list[wire.Frame] = []
        keys = SimpleNamespace(validator=SimpleNamespace(public=self.chain.validators[0].public))
        opened = SimpleNamespace(
            genesis=SimpleNamespace(
                chain_id=self.chain.chain_id,
                parameters=Parameters(),
                members=[SimpleNamespace(number=number) for number in range(4)],
            ),
            config=SimpleNamespace(
                home=folder,
                store_folder=folder,
                pool=SimpleNamespace(folder=folder),
                reserve_mb=0,
            ),
            member=SimpleNamespace(number=0),
            all_keys=(keys,),
            store=self.rows,
            executor=self.chain,
            votes=SimpleNamespace(damage=None),
            replica_sets=lambda _: self.chain.founding.replica_set(),
            verify=verify,
        )
        self.watch = Watch(opened, lambda _, frame: self.told.append(frame), self.log)  # type: ignore[arg-type]

    def note(
        self, turn: Turn, *, asking: bool = False, voting: bool = True, held_back: tuple[int, str] = (0, "")
    ) -> None:
        status = SimpleNamespace(voting=voting)
        replica = SimpleNamespace(asking=asking, status=lambda: status, held_back=held_back)
        self.watch.note(turn, replica)  # type: ignore[arg-type]


def test_a_node_without_trouble_raises_no_alarm(tmp_path: Path):
    scene = Scene(tmp_path)
    scene.note(Turn())
    assert scene.watch.alarms() == ()


def test_evidence_and_a_proposed_time_out_of_a_turn_become_alarms(tmp_path: Path):
    scene = Scene(tmp_path)
    evidence = House(chain=scene.chain).pair()
    assert isinstance(evidence, Evidence)
    far = Rejection("clock", 2, str(10**15))
    scene.note(Turn(evidence=[evidence], rejections=[far, Rejection("duplicate", 1)]))
    clocks, convicted = scene.watch.alarms()
    assert "member 2's is" in clocks and "member 3 said two things" in convicted
    assert [type(frame) for frame in scene.told] == [wire.Evidence]


def test_a_feature_that_this_release_lacks_is_named_before_its_height(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    scene = Scene(tmp_path)
    make(scene.chain, FEATURE, 0, id="erasure-2", key=b"")
    (alarm,) = scene.watch.alarms()
    assert "the chain uses erasure-2, which this release does not have" in alarm
    monkeypatch.setitem(features.KNOWN, "erasure-2", "what it changes")
    assert scene.watch.alarms() == ()


def test_a_log_that_lacks_votes_is_an_error_in_the_log_once(tmp_path: Path):
    scene = Scene(tmp_path)
    scene.note(Turn())
    assert not scene.log.lines
    for _ in range(2):
        scene.note(Turn(), voting=False, held_back=(21, PEERS_KNOW_MORE))
    ((event, fields),) = scene.log.lines
    assert (event, fields["because"], fields["until_height"]) == ("own votes missing", PEERS_KNOW_MORE, 21)
    assert "casts no vote before height 21" in fields["does"] and "second process" in fields["hint"]


def test_the_mark_of_a_backup_goes_step_by_step(tmp_path: Path):
    rows = MemoryChainStore()
    mark = Mark(ASKING, Chain().validators[0].public, WALL_MS, 0)
    rows.local_put(MARK_KEY, encode(mark))
    scene = Scene(tmp_path, rows)
    scene.note(Turn(), asking=True, voting=False)
    assert scene.watch.restored.asking
    scene.note(Turn(), asking=False, voting=False, held_back=(32, RESTORED))
    assert scene.log.lines[-1][0] == "follows without voting", "that is no fault"
    assert not scene.watch.restored.asking and not Scene(tmp_path, rows).watch.restored.asking
    scene.note(Turn(), asking=False, voting=True)
    assert scene.watch.alarms(), "only a certificate shows that it is safe"
    scene.note(Turn(certified=[scene.chain.certificate(scene.chain.headers[0])]), voting=True)
    assert scene.watch.alarms() == () and rows.local_get(MARK_KEY) is None
