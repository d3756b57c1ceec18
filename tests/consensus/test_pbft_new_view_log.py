"""A backup logs the NEW-VIEW that it enters by: what a view proposed again binds it after a restart too."""

from collections.abc import Callable

import pytest

from consensus.messages import NewView
from tests.consensus.fakes import CHAIN, batch
from tests.consensus.solo import Solo, new_view, prepare, prepared, proposal, sent, view_change
from tests.consensus.test_pbft_restart import restarted

REF = batch(1)
OTHER = batch(2)


def entered_without_voting() -> Solo:
    """It entered view 1, which proposes REF again, and has not got the batch."""
    solo = Solo(3)
    shown = (prepared(proposal(1, (REF,))),)
    solo.receive(new_view(1, [view_change(1, r, None, shown) for r in (0, 1, 2)]))
    return solo


def of_the_log(solo: Solo) -> Solo:
    return restarted(solo)


def of_what_a_new_log_keeps(solo: Solo) -> Solo:
    solo.log = list(solo.replica.records())
    return restarted(solo)


def of_a_log_cut_off_behind_the_new_view(solo: Solo) -> Solo:
    [at] = [at for at, record in enumerate(solo.log) if isinstance(record, NewView)]
    del solo.log[at + 1 :]
    return restarted(solo)


@pytest.mark.parametrize("start", [of_the_log, of_what_a_new_log_keeps, of_a_log_cut_off_behind_the_new_view])
def test_a_backup_that_restarts_knows_what_its_view_proposed_again(start: Callable[[Solo], Solo]):
    again = start(entered_without_voting())
    assert prepare(proposal(1, (REF,), view=1), 3) in again.log
    ready = again.receive(proposal(1, (OTHER,), view=1))
    assert not [vote for vote in sent(ready) if vote.digest != proposal(1, (REF,), view=1).digest(CHAIN)]
    assert len(ready.evidence) == 1
    assert [slot.stage for slot in again.replica.status().slots] == ["prepare"]
