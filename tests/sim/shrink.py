"""From a scenario that fails to a short one that fails in the same way: delta debugging (Zeller and
Hildebrandt 2002) over its faults, its faulty members and its transactions, then over their sizes.

Deterministic, and bounded by a number of runs: what a scenario shrinks to depends on nothing but itself.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tests.sim.runner import Outcome, run_plan
from tests.sim.scenario import Change, Fault, Plan, Submit

MAX_RUNS = 200
LEAST_TROUBLE_MS = 200
Item = Change | Fault | Submit | tuple[int, str]


@dataclass(frozen=True)
class Shrunk:
    """`runs`: how many it took."""

    plan: Plan
    outcome: Outcome
    runs: int


def size_of(plan: Plan) -> int:
    """Events of a scenario."""
    return len(items_of(plan))


def items_of(plan: Plan) -> tuple[Item, ...]:
    return (*plan.faulty, *plan.changes, *plan.faults, *plan.submits)


def kind_of(violation: str) -> str:
    """What was broken, whoever broke it and when."""
    head = violation.splitlines()[0].split(": ")[0] if violation else ""
    return re.sub(r"\d+", "#", head)


def shrink(plan: Plan, max_runs: int = MAX_RUNS) -> Shrunk:
    """`plan` fails."""
    return _Shrinking(plan, max_runs).carry_out()


class _Shrinking:
    def __init__(self, plan: Plan, max_runs: int) -> None:
        self._left = self._max = max_runs
        self._plan = plan
        self._outcome = run_plan(plan)
        self._kind = kind_of(self._outcome.violation)
        assert self._kind, "there is nothing to be made shorter"

    def carry_out(self) -> Shrunk:
        self._cut_off_the_end()
        self._drop_items()
        for smaller in _smaller(self._plan):
            self._fails(smaller(self._plan))
        self._drop_items()
        return Shrunk(self._plan, self._outcome, self._max - self._left)

    def _fails(self, plan: Plan) -> bool:
        """Whether `plan` fails in the same way; then it is the one to go on with."""
        if plan == self._plan or self._left == 0:
            return False
        self._left -= 1
        outcome = run_plan(plan)
        if kind_of(outcome.violation) != self._kind:
            return False
        self._plan, self._outcome = plan, outcome
        return True

    def _cut_off_the_end(self) -> None:
        """What was to come after the violation."""
        end_ms = self._outcome.simulated_ms
        plan = self._plan
        self._fails(
            replace(
                plan,
                changes=tuple(one for one in plan.changes if one.at_ms <= end_ms),
                faults=tuple(one for one in plan.faults if one.at_ms <= end_ms),
                submits=tuple(one for one in plan.submits if one.at_ms <= end_ms),
            )
        )

    def _drop_items(self) -> None:
        """ddmin: drop ever smaller parts, as long as it still fails."""
        items, parts = list(items_of(self._plan)), 2
        while items and self._left:
            size = max(1, -(-len(items) // parts))
            for start in range(0, len(items), size):
                kept = items[:start] + items[start + size :]
                if self._fails(_with_items(self._plan, kept)):
                    items, parts = kept, max(2, parts - 1)
                    break
            else:
                if size == 1:
                    return
                parts = min(len(items), 2 * parts)


def _with_items(plan: Plan, items: Sequence[Item]) -> Plan:
    return replace(
        plan,
        faulty=tuple(one for one in items if isinstance(one, tuple)),
        changes=tuple(one for one in items if isinstance(one, Change)),
        faults=tuple(one for one in items if isinstance(one, Fault)),
        submits=tuple(one for one in items if isinstance(one, Submit)),
    )


def _smaller(plan: Plan) -> Iterator[Callable[[Plan], Plan]]:
    """Ways to make what is left simpler."""
    yield lambda now: replace(now, submits=tuple(replace(one, transactions=1) for one in now.submits))
    yield lambda now: replace(now, trouble_ms=_last_event_ms(now) + LEAST_TROUBLE_MS)
    yield lambda now: replace(now, delay_ms=(1, 3))
    for at, fault in enumerate(plan.faults):
        for for_ms in (50, fault.for_ms // 2):
            yield lambda now, at=at, for_ms=for_ms: _with_fault(now, at, for_ms)
    concerned = [3, *(number for number, _ in plan.faulty), *(one.member for one in plan.changes)]
    concerned += [max(one.node, one.peer) for one in plan.faults] + [one.node for one in plan.submits]
    yield lambda now: replace(now, members=min(now.members, max(concerned) + 1))


def _with_fault(plan: Plan, at: int, for_ms: int) -> Plan:
    faults = list(plan.faults)
    if for_ms < faults[at].for_ms:
        faults[at] = replace(faults[at], for_ms=for_ms)
    return replace(plan, faults=tuple(faults))


def _last_event_ms(plan: Plan) -> int:
    return max([one.at_ms for one in (*plan.changes, *plan.faults, *plan.submits)], default=0)


def told(plan: Plan) -> list[str]:
    """A scenario to be read."""
    parameters = plan.parameters
    lines = [
        f"{plan.members} members, window {parameters.window}, base timeout {parameters.base_timeout_ms} ms, "
        f"messages take {plan.delay_ms[0]} to {plan.delay_ms[1]} ms, healed at {plan.trouble_ms} ms"
    ]
    lines += [f"member {number} is faulty: {name}" for number, name in plan.faulty]
    timed = [(one.at_ms, _told_fault(one)) for one in plan.faults]
    timed += [(one.at_ms, f"the members {one.kind} node {one.member}") for one in plan.changes]
    timed += [(one.at_ms, f"{one.transactions} transactions at node {one.node}") for one in plan.submits]
    return lines + [f"{at_ms:>7} ms  {what}" for at_ms, what in sorted(timed)]


def _told_fault(fault: Fault) -> str:
    return f"{fault.kind} at node {fault.node} for {fault.for_ms} ms (peer {fault.peer}, {fault.amount})"
