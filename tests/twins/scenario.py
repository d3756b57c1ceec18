"""Which scenarios there are, and which one a number stands for.

A scenario fixes for each view who leads, and for each phase of the view which instances reach each other.
"""

from dataclasses import dataclass
from functools import cache
from itertools import product
from random import Random

VIEWS = 6
PARTITIONS = 2
PHASES = 3
"""Of a view: what opens it and proposes (VIEW-CHANGE, NEW-VIEW, PRE-PREPARE), PREPARE, and the rest."""

Parts = tuple[int, ...]
"""For each instance the number of its part."""


@dataclass(frozen=True)
class ViewPlan:
    """`phases`: of a slot with an even sequence number, then of one with an odd one; the view's opening goes
    with the first."""

    leader: int
    phases: tuple[Parts, ...]

    def joined(self, phase: int, one: int, other: int, sequence: int = 0) -> bool:
        parts = self.phases[phase + PHASES * (sequence % 2)]
        return parts[one] == parts[other]


@dataclass(frozen=True)
class Scenario:
    """Of `members` with `twins`: the members from 0 up to that have one, and instance `members` + i is the
    twin of i. After the last of `views` everybody reaches everybody."""

    number: int
    members: int
    twins: int
    views: tuple[ViewPlan, ...]

    @property
    def instances(self) -> int:
        return self.members + self.twins

    def member(self, instance: int) -> int:
        """Whose key the instance holds."""
        return instance if instance < self.members else instance - self.members

    @property
    def honest(self) -> range:
        return range(self.twins, self.members)

    def told(self) -> list[str]:
        lines = []
        for view, plan in enumerate(self.views):
            drawn = [" | ".join(self._groups(parts)) for parts in dict.fromkeys(plan.phases)]
            lines.append(f"view {view}: {plan.leader} leads; " + ", then ".join(drawn))
        return lines

    def _groups(self, parts: Parts) -> list[str]:
        names = [str(one) if one < self.members else f"{self.member(one)}'" for one in range(self.instances)]
        groups = dict.fromkeys(parts)
        return [" ".join(n for n, part in zip(names, parts, strict=True) if part == g) for g in groups]


@cache
def partitions_of(instances: int, parts: int) -> tuple[Parts, ...]:
    """Every way to divide the instances among up to `parts` parts, each once: the first instance of a part
    has a smaller number than that of the next."""
    found: list[Parts] = []
    for choice in product(range(parts), repeat=instances):
        firsts = dict.fromkeys(choice)
        if list(firsts) == list(range(len(firsts))):
            found.append(choice)
    return tuple(found)


def scenario(
    number: int, members: int = 4, twins: int = 1, views: int = VIEWS, parts: int = PARTITIONS
) -> Scenario:
    """A sample of leaders x partitions, product over the views; the same number is always the same sample."""
    assert 0 <= twins <= (members - 1) // 3
    random = Random(f"twins {members} {twins} {views} {parts} {number}")
    choices = partitions_of(members + twins, parts)
    plans = []
    for _ in range(views):
        # Half of the views keep one partition, as in the paper; in the others it changes between phases and
        # from slot to slot.
        chosen = [random.choice(choices) for _ in range(2 * PHASES)]
        phases = (chosen[0],) * (2 * PHASES) if random.random() < 0.5 else tuple(chosen)
        leader = random.randrange(twins) if twins and random.random() < 0.4 else random.randrange(members)
        plans.append(ViewPlan(leader, phases))
    return Scenario(number, members, twins, tuple(plans))
