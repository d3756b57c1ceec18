"""The timers by themselves: to the millisecond, in the clock that inputs bring."""

import pytest

from consensus.bounds import GAP_MS, HEARTBEAT_MS
from consensus.parameters import Parameters
from consensus.suspicion import Timers
from consensus.types import Now

PARAMETERS = Parameters(base_timeout_ms=1_000, max_timeout_ms=4_000)


def at(ms: int) -> Now:
    return Now(ms, 0)


def started(ms: int = 10_000) -> Timers:
    timers = Timers(PARAMETERS)
    timers.observe(at(ms))
    return timers


def test_the_first_input_and_a_gap_start_every_timer_anew():
    timers = Timers(PARAMETERS)
    assert timers.observe(at(10_000)), "how long it stood before is not known"
    timers.waits(True, at(10_000))
    assert not timers.observe(at(10_000 + GAP_MS))
    assert timers.pulse_is_gone(at(11_000))
    assert timers.observe(at(11_001 + GAP_MS))
    assert not timers.pulse_is_gone(at(11_001 + GAP_MS))


def test_a_gap_starts_the_new_view_timer_anew_if_it_runs():
    timers = started()
    timers.rearm(at(10_500))
    assert not timers.new_view_is_overdue(at(99_000))
    timers.quorum_asks(True, at(10_600))
    timers.rearm(at(12_600))
    assert not timers.new_view_is_overdue(at(13_599)) and timers.new_view_is_overdue(at(13_600))


def test_the_pulse_runs_from_when_something_begins_to_wait():
    timers = started()
    assert not timers.pulse_is_gone(at(50_000)), "nothing waits"
    timers.waits(True, at(50_000))
    timers.waits(True, at(50_500))
    assert not timers.pulse_is_gone(at(50_999)) and timers.pulse_is_gone(at(51_000))
    assert not timers.pulse_is_gone(at(52_999), times=3) and timers.pulse_is_gone(at(53_000), times=3)
    timers.waits(False, at(51_000))
    assert not timers.pulse_is_gone(at(60_000))
    timers.waits(True, at(60_000))
    assert not timers.pulse_is_gone(at(60_999))


def test_only_a_step_further_is_progress():
    timers = started()
    timers.waits(True, at(10_000))
    timers.progressed((0, 0, 0), at(10_900), in_view=True)
    assert timers.pulse_is_gone(at(11_000)), "nobody came further"
    timers.progressed((0, 1, 0), at(11_000), in_view=True)
    assert not timers.pulse_is_gone(at(11_999))
    timers.progressed((0, 1, 0), at(11_999), in_view=True)
    assert timers.pulse_is_gone(at(12_000))


def test_the_back_off_ends_with_progress_in_a_view_and_not_while_views_change():
    timers = started()
    for expected in (1_000, 2_000, 4_000, 4_000):
        timers.view_change_starts(at(10_000))
        assert timers.timeout_ms == expected
    timers.progressed((1, 1, 1), at(10_000), in_view=False)
    assert timers.timeout_ms == 4_000
    timers.progressed((2, 2, 2), at(10_000), in_view=True)
    assert timers.timeout_ms == 1_000
    timers.view_change_starts(at(10_000))
    assert timers.timeout_ms == 1_000, "the view before brought something"
    timers.view_change_starts(at(10_000))
    assert timers.timeout_ms == 2_000


def test_the_new_view_timer_runs_from_the_quorum_s_first_asking_until_it_ends():
    timers = started()
    timers.quorum_asks(True, at(10_000))
    timers.quorum_asks(True, at(10_900))
    assert not timers.new_view_is_overdue(at(10_999)) and timers.new_view_is_overdue(at(11_000))
    timers.quorum_asks(False, at(11_000))
    assert not timers.new_view_is_overdue(at(99_000))
    for end in (timers.view_change_starts, timers.view_entered):
        timers.quorum_asks(True, at(20_000))
        end(at(20_100))
        assert not timers.new_view_is_overdue(at(99_000))


def test_a_view_that_is_entered_starts_the_pulse():
    timers = started()
    timers.waits(True, at(10_000))
    timers.view_entered(at(10_900))
    assert not timers.pulse_is_gone(at(11_899)) and timers.pulse_is_gone(at(11_900))


@pytest.mark.parametrize("begin", ["rearm", "view_change_starts", "view_entered", "progressed"])
def test_votes_are_repeated_twice_in_a_base_timeout_without_progress(begin: str):
    timers = started()
    if begin == "progressed":
        timers.progressed((1, 0, 0), at(20_000), in_view=True)
    else:
        getattr(timers, begin)(at(20_000))
    assert not timers.resend_is_due(at(20_499)) and timers.resend_is_due(at(20_500))
    assert not timers.resend_is_due(at(20_999)) and timers.resend_is_due(at(21_000))


def test_waking_is_at_the_next_deadline_and_a_heartbeat_later_at_most():
    timers = started()
    assert timers.wake_at_ms(at(10_000), busy=False) is None
    assert timers.wake_at_ms(at(10_000), busy=True) == 10_000 + HEARTBEAT_MS
    assert timers.wake_at_ms(at(10_400), busy=True) == 10_500, "when votes are to be repeated"
    timers.resend_is_due(at(10_950))
    assert timers.wake_at_ms(at(10_950), busy=True) == 10_950 + HEARTBEAT_MS
    timers.waits(True, at(10_000))
    assert timers.wake_at_ms(at(10_950), busy=True) == 11_000, "when the pulse is gone"
    timers.waits(False, at(10_950))
    timers.quorum_asks(True, at(10_050))
    assert timers.wake_at_ms(at(10_950), busy=True) == 11_050, "when the new view is overdue"


def test_the_timers_that_run_are_named_with_what_is_left_of_them():
    timers = started()
    assert timers.running(at(10_000)) == ()
    timers.waits(True, at(10_000))
    timers.quorum_asks(True, at(10_300))
    assert timers.running(at(10_999)) == (("pulse", 1), ("new-view", 301))
    assert timers.running(at(11_400)) == (("pulse", 0), ("new-view", 0))
