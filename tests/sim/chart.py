"""The end of a run as a message sequence chart: a column for each node, time downwards.

o  says it         > <  to whom           x  where it did not leave
*  does it         !    what the scenario does
|  is up           .    is down
"""

from collections.abc import Sequence
from itertools import pairwise

from tests.sim.trace import Event

CHART_LINES = 60
COLUMN = 4
MADE_KNOWN = ("link to", "refuses", "behind", "opened", "a faulty node fails")
"""Not in the chart: what follows from something that is, or does not matter for long."""
DOWN = ("killed", "power cut")


def chart(events: Sequence[Event], members: int, lines: int = CHART_LINES) -> list[str]:
    """The last `lines` lines, headed by the nodes' numbers. What is said again is left out."""
    rows: list[str] = []
    down: set[int] = set()
    said: set[tuple[int | str, str]] = set()
    for event in _joined(events):
        if event.what == "starts" and isinstance(event.who, int):
            down.discard(event.who)
        if event.to:
            if (event.who, _label(event)) in said:
                continue
            said.add((event.who, _label(event)))
        if not event.what.startswith(MADE_KNOWN):
            rows.append(f"{event.at_ms:>7}  {_columns(event, members, down)}  {_label(event)}")
        if event.what in DOWN and isinstance(event.who, int):
            down.add(event.who)
    left_out = len(rows) - lines
    head = f"{'ms':>7}  " + "".join(str(number).ljust(COLUMN) for number in range(members)).rstrip()
    above = [f"{'':>7}  ({left_out} lines above)"] if left_out > 0 else []
    return [head, *above, *rows[-lines:]]


def _joined(events: Sequence[Event]) -> list[Event]:
    """What a faulty member says to one peer after the other, as one event where it is the same."""
    joined: list[Event] = list(events[:1])
    for before, event in pairwise(events):
        same = (before.at_ms, before.who, _label(before)) == (event.at_ms, event.who, _label(event))
        if same and event.to:
            joined[-1] = Event(event.at_ms, event.who, event.what, {**joined[-1].to, **event.to}, event.fault)
        else:
            joined.append(event)
    return joined


def _columns(event: Event, members: int, down: set[int]) -> str:
    cells = ["." if number in down else "|" for number in range(members)]
    if not isinstance(event.who, int):
        return "".join("=" * COLUMN for _ in cells)[: COLUMN * (members - 1) + 1]
    for peer, left in event.to.items():
        cells[peer] = "x" if not left else ">" if peer > event.who else "<"
    cells[event.who] = "!" if event.fault else "o" if event.to else "*"
    touched = [event.who, *event.to]
    first, last = min(touched), max(touched)
    return "".join(
        cell + ("-" if first <= number < last else " ") * (COLUMN - 1) for number, cell in enumerate(cells)
    )[: COLUMN * (members - 1) + 1]


def _label(event: Event) -> str:
    what = event.what.removeprefix("says ")
    return what.rpartition(" to ")[0] if event.to else what
