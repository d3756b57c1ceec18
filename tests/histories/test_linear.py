"""The checkers themselves: what one chain could have shown passes, what it could not is named."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from random import Random

import pytest

from tests.histories.history import (
    ABSENT,
    ALREADY,
    EFFECTS,
    GRANT,
    GRANTED,
    NOT_THERE,
    NOTHING,
    OK,
    OPEN,
    READ,
    REVOKE,
    REVOKED,
    TAKEN,
    UNKNOWN,
    Operation,
    Recorder,
    Value,
    step,
)
from tests.histories.linear import unexplained, violation, window
from tests.histories.monotonic import Reading, goes_back

RUNS = 150
OUTCOMES = {GRANT: (OK, TAKEN), REVOKE: (OK, NOT_THERE, ALREADY), READ: (OK,)}


def executed(random: Random, kind: str, by: str, value: Value) -> tuple[Operation, Value]:
    """One call that takes effect at `value`; what is left after it."""
    call = Operation(0, f"client-{random.randrange(3)}", f"hospital-{random.randrange(4)}", "c", kind, by, 0)
    for outcome in OUTCOMES[kind]:
        answered = replace(call, outcome=outcome, seen=value if kind == READ else NOTHING)
        after = step(value, answered)
        if after is not None:
            return answered, after
    raise AssertionError(f"{kind} has an answer at {value}")


def overlapping(random: Random, count: int) -> list[Operation]:
    """A sequential run, each call stretched around the moment at which it took effect; of some calls the
    answer was lost, and some never took effect."""
    value, made = NOTHING, []
    for place in range(count):
        kind = random.choice((READ, READ, READ, GRANT, REVOKE))
        answered, after = executed(random, kind, "" if kind == READ else f"tx{place}", value)
        fate = random.random()
        if fate < 0.85:
            value = after
        elif fate < 0.93:
            value, answered = after, replace(answered, outcome=UNKNOWN, seen=NOTHING)
        else:
            answered = replace(answered, outcome=UNKNOWN, seen=NOTHING)
        at = 1_000 * place
        begin, end = at - random.randrange(1, 3_000), at + random.randrange(1, 3_000)
        made.append(replace(answered, invoked=begin, returned=OPEN if answered.outcome == UNKNOWN else end))
    return numbered(made)


def numbered(operations: list[Operation]) -> list[Operation]:
    """With times that are a count, and their own numbers."""
    times = [
        (at, place, end)
        for place, one in enumerate(operations)
        for at, end in ((one.invoked, 0), (one.returned, 1))
    ]
    rank = {(place, end): at for at, (_, place, end) in enumerate(sorted(times))}
    return [
        replace(
            one,
            number=place,
            invoked=rank[place, 0],
            returned=OPEN if one.returned == OPEN else rank[place, 1],
        )
        for place, one in enumerate(operations)
    ]


def runs(count: int = 12) -> Iterator[tuple[Random, list[Operation]]]:
    for seed in range(RUNS):
        random = Random(f"history {seed}")
        yield random, overlapping(random, count)


def explained_by_some_order(operations: list[Operation]) -> bool:
    """By trying them all."""
    must = [one for one in operations if one.returned != OPEN]
    may = [one for one in operations if one.returned == OPEN and one.kind != READ]
    for chosen in range(1 << len(may)):
        taken = must + [one for place, one in enumerate(may) if chosen >> place & 1]
        for order in permutations(taken):
            if any(
                late.returned < early.invoked for at, early in enumerate(order) for late in order[at + 1 :]
            ):
                continue
            value: Value | None = NOTHING
            for one in order:
                value = None if value is None else step(value, one)
            if value is not None:
                return True
    return False


def planted(random: Random, history: list[Operation], wrong: list[Operation]) -> list[Operation]:
    """One of the wrong answers in place of the right one."""
    chosen = random.choice(wrong)
    return [chosen if one.number == chosen.number else one for one in history]


def test_a_sequential_run_whose_calls_overlap_is_linearizable() -> None:
    for _, history in runs(30):
        assert violation(history) == ""


def test_the_verdict_is_that_of_trying_every_order() -> None:
    verdicts = {True: 0, False: 0}
    for random, history in runs(5):
        place = random.randrange(len(history))
        for outcome in (*OUTCOMES[history[place].kind], UNKNOWN):
            for seen in (NOTHING, Value(GRANTED, "tx0"), Value(GRANTED, "tx2"), Value(REVOKED, "tx3")):
                changed = list(history)
                changed[place] = replace(changed[place], outcome=outcome, seen=seen)
                if outcome == UNKNOWN:
                    changed[place] = replace(changed[place], returned=OPEN)
                expected = explained_by_some_order(changed)
                assert (unexplained(changed) is None) == expected
                verdicts[expected] += 1
    assert min(verdicts.values()) > RUNS, "both happen"


def test_a_stale_read_is_refused() -> None:
    found = 0
    for random, history in runs():
        wrong = [
            replace(read, seen=older)
            for write in history
            if (write.kind, write.outcome) in ((GRANT, OK), (REVOKE, OK))
            for older in (NOTHING, Value(GRANTED, "before"))[: 1 if write.kind == GRANT else 2]
            for read in history
            if read.kind == READ and read.outcome == OK and read.invoked > write.returned
        ]
        if wrong:
            found += 1
            assert violation(planted(random, history, wrong))
    assert found > RUNS // 3


def test_a_lost_update_is_refused() -> None:
    """Of two that grant the same consent one is refused, and so of two that revoke it."""
    found = 0
    for random, history in runs():
        wrong = [
            replace(one, outcome=OK)
            for one in history
            if one.outcome in (TAKEN, ALREADY)
            and any(other.kind == one.kind and other.outcome == OK for other in history)
        ]
        if wrong:
            found += 1
            assert violation(planted(random, history, wrong))
    assert found > RUNS // 3


def test_a_read_of_what_was_not_yet_written_is_refused() -> None:
    found = 0
    for random, history in runs():
        wrong = [
            replace(read, seen=Value(EFFECTS[write.kind, OK][1], write.by))
            for read in history
            if read.kind == READ and read.outcome == OK
            for write in history
            if write.kind != READ and write.invoked > read.returned
        ]
        if wrong:
            found += 1
            assert violation(planted(random, history, wrong))
    assert found > RUNS // 3


@pytest.mark.parametrize("refused", [(GRANT, TAKEN), (REVOKE, ALREADY), (REVOKE, NOT_THERE)])
def test_a_refusal_that_the_state_did_not_give_is_refused(refused: tuple[str, str]) -> None:
    record = Recorder()
    if refused == (REVOKE, NOT_THERE):
        record.respond(record.invoke("a", "one", "c", GRANT, "tx"), OK)
    record.respond(record.invoke("b", "two", "c", refused[0], "ty"), refused[1])
    assert violation(record.history)


@pytest.mark.parametrize("seen", [NOTHING, Value(GRANTED, "tx")])
@pytest.mark.parametrize("again", [Value(GRANTED, "tx"), NOTHING])
def test_what_was_never_answered_took_effect_or_not_at_any_time(seen: Value, again: Value) -> None:
    record = Recorder()
    record.invoke("a", "one", "c", GRANT, "tx")
    for value in (seen, again):
        record.respond(record.invoke("b", "two", "c", READ), OK, value)
    went_back = seen.status == GRANTED and again.status == ABSENT
    assert bool(violation(record.history)) == went_back


def test_a_call_that_was_forgotten_counts_for_nothing() -> None:
    record = Recorder()
    turned_away = record.invoke("a", "one", "c", GRANT, "tx")
    record.forget(turned_away)
    assert record.history == ()


def test_consents_are_looked_at_alone() -> None:
    record = Recorder()
    for consent in ("c", "d"):
        record.respond(record.invoke("a", "one", consent, GRANT, "t" + consent), OK)
    record.respond(record.invoke("a", "one", "c", READ), OK, Value(GRANTED, "tc"))
    assert violation(record.history) == ""
    record.respond(record.invoke("a", "one", "d", READ), OK, NOTHING)
    assert "consent d" in violation(record.history)


def test_what_is_shown_is_the_smallest_window_and_wrong_by_itself() -> None:
    sizes = []
    for random, history in runs(20):
        reads = [
            one for one in history if one.kind == READ and one.outcome == OK and one.seen.status != ABSENT
        ]
        wrong = [replace(one, seen=NOTHING) for one in reads]
        changed = planted(random, history, wrong) if wrong else history
        culprit = unexplained(changed)
        if culprit is None:
            continue
        left, last, first = window(changed, culprit)
        sizes.append(len(left))
        assert unexplained(left, first) == last
        for one in left:
            if one.kind == READ:
                assert unexplained([other for other in left if other is not one], first) is None
    assert len(sizes) > RUNS // 3 and max(sizes) < 10


def test_a_violation_is_shown_with_its_calls_their_answers_and_their_overlaps() -> None:
    record = Recorder()
    for _ in range(5):
        record.respond(record.invoke("early", "hospital-d", "anna/1", READ), OK, NOTHING)
    grant = record.invoke("anna", "hospital-a", "anna/1", GRANT, "ab12")
    early = record.invoke("bert", "hospital-b", "anna/1", READ)
    record.respond(early, OK, Value(GRANTED, "ab12"))
    late = record.invoke("cora", "hospital-c", "anna/1", READ)
    record.respond(grant, OK)
    record.respond(late, OK, NOTHING)
    assert violation(record.history).splitlines() == [
        "consent anna/1: no order of these calls explains the answers; at first anything",
        "  anna       hospital-a   grant ab12 -> unknown                    |---------...",
        "  bert       hospital-b   read -> granted ab12                       |-|",
        "  cora       hospital-c   read -> absent                                 |-|  <- not explained",
    ]


def test_plain_reads_that_follow_each_other_are_monotonic() -> None:
    granted = Value(GRANTED, "tx")
    one = Reading("a", "one", "c", 0, 4, NOTHING)
    two = Reading("a", "two", "c", 4, 7, granted)
    assert goes_back([two, one]) == ""
    assert "too old" in goes_back([one, replace(two, min_height=8)])
    assert "two values at one height" in goes_back([one, replace(two, height=4)])
    assert "goes back" in goes_back([two, replace(one, height=9)])
