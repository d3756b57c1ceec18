"""Random schedules: loss, duplication, reorder, partition, crash, restart from the log, one liar.

Safety is checked at every step (see invariants.py); after the network heals everything that was submitted is
ordered everywhere within a bound. A failing seed replays with `play(seed, ...)`.
"""

import random

import pytest

from consensus.parameters import Parameters
from tests.consensus.cluster import Cluster
from tests.consensus.fakes import batch
from tests.consensus.liar import Liar

STEPS = 30
HEALS_WITHIN_MS = 120_000


class Schedule:
    """One seed's course of events."""

    def __init__(self, seed: int, n: int, liar: int | None) -> None:
        self.dice = random.Random(seed)
        self.n = n
        window = self.dice.choice([1, 2, 4, 16])
        turns = self.dice.choice([0, 2, 5, 20])
        parameters = Parameters(window=window, turn_heights=turns)
        self.cluster = Cluster(n, seed=seed, parameters=parameters)
        self.spare = (n - 1) // 3
        if liar is not None:
            Liar(self.cluster, liar, seed)
            self.spare -= 1
        self.down: list[int] = []
        self.submitted = 0

    def play(self) -> None:
        actions = [self.submit] * 9 + [self.disturb] * 2 + [self.crash] * 3 + [self.restart] * 2
        actions += [self.split] * 2 + [self.cluster.heal] + [self.crash_before_send]
        for _ in range(STEPS):
            self.dice.choice(actions)()
            self.cluster.run(self.dice.choice([5, 50, 500, 3_000]))
            for node in self.cluster.nodes:
                if not node.alive and node.number not in self.down:
                    self.down.append(node.number)

    def submit(self) -> None:
        for _ in range(self.dice.randint(1, 5)):
            self.submitted += 1
            everybody = self.dice.random() < 0.7
            some = tuple(self.dice.sample(range(self.n), self.dice.randint(1, self.n)))
            self.cluster.submit(
                batch(self.submitted, origin=self.dice.randrange(self.n)), to=None if everybody else some
            )

    def disturb(self) -> None:
        self.cluster.loss = self.dice.choice([0, 0, 0.05, 0.2])
        self.cluster.duplication = self.dice.choice([0, 0.1])

    def crash(self) -> None:
        number = self.dice.randrange(self.n)
        if self.cluster.nodes[number].alive and len(self.down) <= self.spare:
            self.cluster.crash(number)
            self.down.append(number)

    def crash_before_send(self) -> None:
        """The log is durable, nothing has left."""
        if len(self.down) <= self.spare:
            self.cluster.crash_after_persist = self.dice.randrange(self.n)

    def restart(self) -> None:
        if self.down:
            self.cluster.restart(self.down.pop(0))

    def split(self) -> None:
        numbers = list(range(self.n))
        self.dice.shuffle(numbers)
        cut = self.dice.randrange(self.n + 1)
        self.cluster.partition(tuple(numbers[:cut]), tuple(numbers[cut:]))

    def recover(self) -> None:
        cluster = self.cluster
        cluster.crash_after_persist, cluster.loss, cluster.duplication = None, 0.0, 0.0
        cluster.heal()
        for node in cluster.nodes:
            if not node.alive:
                cluster.restart(node.number)
        wanted = {ref for node in cluster.nodes for ref in node.disk.batches} | {batch(10**6)}
        for ref in sorted(wanted, key=lambda ref: ref.origin_sequence):
            cluster.submit(ref)
        cluster.run(50)
        honest = cluster.honest()
        cluster.run_until(
            lambda: all(wanted <= set(cluster.ordered(node)) for node in honest), HEALS_WITHIN_MS
        )
        assert not any(node.halt for node in honest)


def play(seed: int, n: int = 4, liar: int | None = None) -> Cluster:
    schedule = Schedule(seed, n, liar)
    schedule.play()
    schedule.recover()
    return schedule.cluster


@pytest.mark.parametrize("first", range(0, 200, 20))
def test_four_replicas_agree_and_recover(first: int):
    for seed in range(first, first + 20):
        play(seed)


@pytest.mark.parametrize("liar", range(4))
def test_three_honest_replicas_agree_and_recover_beside_a_liar(liar: int):
    for seed in range(25):
        play(seed, liar=liar)


def test_seven_replicas_agree_and_recover():
    for seed in range(10):
        play(seed, 7)


def test_six_honest_replicas_agree_and_recover_beside_a_liar():
    for seed in range(10):
        play(seed, 7, liar=seed % 7)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 6])
def test_other_sizes_agree_and_recover(n: int):
    for seed in range(10):
        play(seed, n)


def test_one_seed_replays_exactly():
    def course() -> list[object]:
        return [message for _, _, message in play(7).sent]

    assert course() == course()
