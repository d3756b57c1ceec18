"""Between two runs: a snapshot takes its place, its certificate is in the vote log; damage is moved aside."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from chainnode.node import takeover as takeover_module
from chainnode.node.engine import Engine, decode_records
from chainnode.node.takeover import aside_alarm, run_until_ended, settle_chain_folder
from chainnode.store.errors import DamagedError, damaged, full
from chainnode.store.swap import put_in_place
from chainnode.store.votelog import VoteLog
from consensus.ready import StableRecord
from consensus.types import Now
from genesis.errors import OperatorError
from tests.node.grown import Grown, founded, told
from tests.node.stand_ins import Log
from tests.store.test_staging import staged

NOW = Now(1_000, 1_700_000_000_000)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory):
    grown = told(tmp_path_factory.mktemp("source"))
    yield grown
    grown.close()


@pytest.fixture
def joiner(tmp_path: Path):
    grown = founded(tmp_path / "store")
    yield grown
    grown.close()


def votes_of(grown: Grown) -> list[int]:
    """Heights of the certificates in the vote log."""
    log, raw, damage = VoteLog.open(grown.folder / "votes", grown.chain_id)
    log.close()
    assert damage is None
    return [one.certificate.height for one in decode_records(raw) if isinstance(one, StableRecord)]


def silent_because(grown: Grown) -> str:
    """What keeps a replica from voting that starts on these folders, whose peers hold none of its votes."""
    log, raw, damage = VoteLog.open(
        grown.folder / "votes", grown.chain_id, must_exist=grown.executor.tip.height > 0
    )
    engine = Engine(
        chain_id=grown.chain_id,
        replica_id=0,
        replica_sets=grown.executor.replica_sets,
        parameters=grown.parameters,
        sign=grown.validators[0].sign,
        log=log,
        executor=grown.executor,
    )
    engine.restore(raw, NOW, damaged=damage is not None)
    engine.replica.observed_own((), NOW)
    log.close()
    return engine.replica.status().silent_because


def test_a_node_that_joined_votes_at_once(source: Grown, joiner: Grown) -> None:
    staged(source, joiner).close()
    joiner.close()
    assert settle_chain_folder(joiner.folder, joiner.chain_id) == source.height
    joiner.reopen()
    assert votes_of(joiner) == [source.height]
    assert silent_because(joiner) == ""


def test_without_a_snapshot_nothing_changes(joiner: Grown) -> None:
    joiner.close()
    assert settle_chain_folder(joiner.folder, joiner.chain_id) is None
    assert joiner.reopen().tip.height == 0


class Crash(BaseException):
    pass


def crash(*_: object) -> None:
    raise Crash


@pytest.mark.parametrize("step", ["put_in_place", "clear_replaced"])
def test_a_crash_in_between_is_gone_over_again(
    source: Grown, joiner: Grown, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged(source, joiner).close()
    joiner.close()
    with monkeypatch.context() as patch:
        patch.setattr(takeover_module, step, crash)
        with pytest.raises(Crash):
            settle_chain_folder(joiner.folder, joiner.chain_id)
    settle_chain_folder(joiner.folder, joiner.chain_id)
    joiner.reopen()
    assert joiner.executor.tip == source.executor.tip
    assert votes_of(joiner) == [source.height] and silent_because(joiner) == ""


def test_a_chain_whose_votes_were_lost_does_not_vote_for_having_joined(
    source: Grown, joiner: Grown, tmp_path: Path
) -> None:
    joiner.departments(2)
    staged(source, joiner).close()
    joiner.close()
    settle_chain_folder(joiner.folder, joiner.chain_id)
    joiner.reopen()
    log, _, damage = VoteLog.open(joiner.folder / "votes", joiner.chain_id)
    log.close()
    assert damage is not None, "it is remembered"
    assert "vote log" in silent_because(joiner)


def test_a_chain_put_in_place_behind_the_logs_back_is_not_trusted(source: Grown, joiner: Grown) -> None:
    """Why the certificate goes into the log first."""
    staged(source, joiner).close()
    joiner.close()
    put_in_place(joiner.folder)
    joiner.reopen()
    assert silent_because(joiner) != ""


@dataclass
class Runs:
    """What each run of a node ends with."""

    outcomes: list[bool | OperatorError]
    count: int = 0

    def __call__(self) -> bool:
        self.count += 1
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, OperatorError):
            raise outcome
        return outcome


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    said = Log()
    monkeypatch.setattr(takeover_module, "node_logger", lambda _: said)
    return said


@pytest.fixture
def config(tmp_path: Path) -> Callable[[bool], SimpleNamespace]:
    def made(resync: bool) -> SimpleNamespace:
        (tmp_path / "chain").mkdir(exist_ok=True)
        return SimpleNamespace(store_folder=tmp_path, chain=SimpleNamespace(resync=resync), log=None)

    return made


def test_it_opens_itself_anew_as_often_as_a_run_says_so(config, log) -> None:  # type: ignore[no-untyped-def]
    runs = Runs([True, True, False])
    run_until_ended(config(True), runs)
    assert runs.count == 3


def test_damage_of_the_chain_is_moved_aside_and_the_node_opened_anew(config, log, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    runs = Runs([damaged(tmp_path / "chain", "a bit fell over"), False])
    run_until_ended(config(True), runs)
    [aside] = tmp_path.glob("chain.damaged-*")
    assert runs.count == 2 and not (tmp_path / "chain").exists()
    [(what, fields)] = log.lines
    assert "moved aside" in what and fields["aside"] == str(aside) and "votes" in fields["kept"]
    assert str(aside) in aside_alarm(tmp_path)


@pytest.mark.parametrize("what", ["opted-out", "rows", "full"])
def test_other_failures_end_the_node(config, log, tmp_path: Path, what: str) -> None:  # type: ignore[no-untyped-def]
    error: OperatorError = {
        "opted-out": damaged(tmp_path / "chain", "x"),
        "rows": damaged(tmp_path / "rows", "x"),
        "full": full(tmp_path / "chain"),
    }[what]
    with pytest.raises(OperatorError) as caught:
        run_until_ended(config(what != "opted-out"), Runs([error]))
    assert caught.value is error and (tmp_path / "chain").is_dir() and aside_alarm(tmp_path) == ""


def test_a_disk_that_damages_one_chain_after_the_other_ends_the_node(config, log, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    def fails() -> bool:
        (tmp_path / "chain").mkdir(exist_ok=True)
        raise damaged(tmp_path / "chain", "again")

    with pytest.raises(DamagedError):
        run_until_ended(config(True), fails)
    assert len(list(tmp_path.glob("chain.damaged-*"))) == 3
    assert log.said("chain damaged again: the disk should be replaced") == 1
