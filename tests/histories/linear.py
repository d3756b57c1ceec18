"""Whether a history is linearizable: each call took effect at one moment between its beginning and its end.

Wing and Gong, "Testing and verifying concurrent objects" (1993), in the form of Lowe, "Testing for
linearizability" (2017): event by event, all the ways in which the calls so far can have taken effect are kept
as (value, which pending calls have taken effect); a call takes effect early only where one that returns needs
it. Consents do not touch each other, so each is looked at alone (Herlihy and Wing 1990, locality).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tests.histories.history import (
    ANYTHING,
    EFFECTS,
    NOTHING,
    OPEN,
    READ,
    UNKNOWN,
    Operation,
    Value,
    step,
)

Way = tuple[Value, frozenset[int]]
"""What the consent is, and the pending calls that have taken effect."""


def violation(history: Iterable[Operation]) -> str:
    """ "" where the history is linearizable, else the smallest window of it that is not, as text."""
    by_consent: dict[str, list[Operation]] = {}
    for one in history:
        by_consent.setdefault(one.consent, []).append(one)
    for operations in by_consent.values():
        culprit = unexplained(operations)
        if culprit is not None:
            return told(*window(operations, culprit))
    return ""


def unexplained(operations: Sequence[Operation], first: Value = NOTHING) -> Operation | None:
    """The first answer that no order of the calls explains, of one consent that begins as `first`."""
    pending: dict[int, Operation] = {}
    ways: set[Way] = {(first, frozenset())}
    for _, operation in sorted(_events(operations), key=lambda event: event[0]):
        if operation.number not in pending:
            pending[operation.number] = operation
            continue
        ways = _pruned(_taking_effect(operation, ways, pending), pending)
        del pending[operation.number]
        if not ways:
            return operation
    return None


def _events(operations: Sequence[Operation]) -> Iterator[tuple[int, Operation]]:
    for one in operations:
        if one.returned != OPEN:
            yield one.invoked, one
            yield one.returned, one
        elif one.kind != READ:
            yield one.invoked, one


def _taking_effect(operation: Operation, ways: set[Way], pending: dict[int, Operation]) -> set[Way]:
    """All ways on which `operation` has taken effect, which is thereby over."""
    found: set[Way] = set()
    known, stack = set(ways), list(ways)
    while stack:
        value, done = stack.pop()
        if operation.number in done:
            found.add((value, done - {operation.number}))
            continue
        for number, one in pending.items():
            after = None if number in done else step(value, one)
            if after is not None:
                way = after, done | {number}
                if way not in known:
                    known.add(way)
                    stack.append(way)
    return found


def _pruned(ways: set[Way], pending: dict[int, Operation]) -> set[Way]:
    """Without those that only used up more of the calls that never return, of which none has to happen."""
    least: dict[Way, list[frozenset[int]]] = {}
    for value, done in sorted(ways, key=lambda way: len(way[1])):
        used = frozenset(number for number in done if pending[number].returned == OPEN)
        kept = least.setdefault((value, done - used), [])
        if not any(one <= used for one in kept):
            kept.append(used)
    return {(value, done | used) for (value, done), kept in least.items() for used in kept}


# --- what to look at ------------------------------------------------------------------------------


def window(operations: Sequence[Operation], culprit: Operation) -> tuple[list[Operation], Operation, Value]:
    """The calls without which the culprit would be explained, it, and what the consent was before.

    Each cut only takes constraints away, so what is left is wrong by itself: what ended before the window
    counts as having made the consent anything; a call that reaches over an edge counts as open."""
    left = [_opened(one) if one.returned > culprit.returned else one for one in operations]
    left = [
        one for one in left if one.invoked < culprit.returned and (one.kind != READ or one.returned != OPEN)
    ]
    first = NOTHING
    for start in sorted((one.invoked for one in left), reverse=True):
        later = [one if one.invoked >= start else _opened(one) for one in left if one.returned >= start]
        later = [one for one in later if one.kind != READ or one.returned != OPEN]
        if unexplained(later, ANYTHING) is not None:
            left, first = later, ANYTHING
            break
    for one in list(left):
        fewer = [other for other in left if other is not one]
        if _may_go(one, fewer) and unexplained(fewer, first) is not None:
            left = fewer
    last = unexplained(left, first)
    assert last is not None
    return sorted(left, key=lambda one: one.invoked), last, first


def _opened(operation: Operation) -> Operation:
    return replace(operation, returned=OPEN, outcome=UNKNOWN)


def _may_go(operation: Operation, others: Sequence[Operation]) -> bool:
    """Whether what is unexplained without it was so with it: it only observed, or nothing rests on it."""
    if operation.kind == READ or not EFFECTS[operation.kind, operation.outcome][1]:
        return True
    left = EFFECTS[operation.kind, operation.outcome][1]
    rests = [
        one.seen.by == operation.by if one.kind == READ else left in EFFECTS[one.kind, one.outcome][0]
        for one in others
    ]
    return operation.outcome == UNKNOWN and not any(rests)


def told(operations: Sequence[Operation], culprit: Operation, first: Value) -> str:
    """A line for each call: who, where, what, the answer, and a bar from its beginning to its end."""
    moments = sorted({at for one in operations for at in (one.invoked, one.returned) if at != OPEN})
    column = {at: 2 * place for place, at in enumerate(moments)}
    lines = [
        f"consent {operations[0].consent}: no order of these calls explains the answers; at first {first}"
    ]
    for one in operations:
        begin, end = column[one.invoked], column.get(one.returned, 2 * len(moments))
        bar = " " * begin + "|" + "-" * (end - begin - 1) + ("|" if one.returned != OPEN else "...")
        what = f"{one.kind} {one.by}".rstrip() + f" -> {one.answer}"
        mark = "  <- not explained" if one.number == culprit.number else ""
        lines.append(f"  {one.client:<10} {one.gateway:<12} {what:<40} {bar}{mark}")
    return "\n".join(lines)
