"""From a seed to a plan: who takes part, who is faulty, what goes wrong when, what is submitted.

A plan is data: it can be printed, cut down and run again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from msgspec import structs

from consensus.bounds import ONE_REF_BYTES, proposal_bytes
from consensus.parameters import Parameters
from consensus.types import ReplicaSet, Voter
from genesis.membership import DEMOTE, PROMOTE, ROTATE
from tests.sim.strategies import STRATEGIES
from tests.sim.turncoat import Turncoat

SIZES = (4,) * 16 + (7,) * 3 + (1,)


@dataclass(frozen=True)
class Fault:
    """`kind` begins at `at_ms` at `node` for `for_ms`. `peer`, `amount`: what the kind makes of them."""

    at_ms: int
    kind: str
    node: int
    for_ms: int
    peer: int = 0
    amount: int = 0


@dataclass(frozen=True)
class Submit:
    at_ms: int
    node: int
    transactions: int


@dataclass(frozen=True)
class Change:
    """The members agree that `member` votes no more (demote), votes again (promote), or with another key
    (rotate)."""

    at_ms: int
    kind: str
    member: int


@dataclass(frozen=True)
class Keeping:
    """How nodes keep their chains: a snapshot at every so many heights, taken over by who is more than
    `join_gap` blocks behind; at least `keep_blocks` blocks stay, at the member `whole` all of them.

    Snapshots do not outlive their process. So where all are restarted, or a member is faulty, one that was
    away for long needs somebody with all blocks, as docs/operations.md asks for."""

    snapshot_every: int
    join_gap: int
    keep_blocks: int
    whole: int | None = None


@dataclass(frozen=True)
class Plan:
    """`faulty`: member to the name of its strategy, or to "disk" where its disk is tampered with."""

    seed: int
    members: int
    parameters: Parameters
    delay_ms: tuple[int, int]
    rotate_bytes: int
    faulty: tuple[tuple[int, str], ...]
    faults: tuple[Fault, ...]
    submits: tuple[Submit, ...]
    trouble_ms: int
    changes: tuple[Change, ...] = ()
    keeping: Keeping | None = None


TRIGGERED = ("isolate-on", "kill-on", "power-on", "funnel")
"""When the node is about to say something: `amount` says what (see faults.py)."""
CRASHES = ("kill", "power", "kill-at", "power-at", "full-at")
CUTS = ("isolate", "partition", "cut", "one-way", "flap")
STALLS = ("pause", "slow-disk", "clock", "delay", "drop", "duplicate", "twist", "lossy", "starve", "shuffle")
KINDS = CRASHES * 3 + CUTS * 2 + STALLS + TRIGGERED * 2
STORMY = (
    CUTS
    + TRIGGERED * 4
    + ("isolate-on", "lossy", "starve", "shuffle") * 5
    + ("funnel",) * 12
    + ("pause", "kill-at", "power-at")
)
EVERYBODY = ("kill", "power")
TAMPERINGS = ("roll-back", "roll-back-votes", "bit-flip", "lose-votes")
KEEPERS_TAMPERINGS = ("roll-back", "empty", "empty", "restore", "restore")
KEEPERS = 0.2
"""Of the plans: snapshots are made and old blocks pruned."""
KEEPERS_LEAST_MS = 9_000
TURNCOATS = 0.15
"""Of the plans with a faulty member."""


def plan_of(seed: int, members: int | None = None) -> Plan:
    """`members`: where the seed shall not choose how many there are."""
    random, changing = Random(f"plan {seed}"), Random(f"changes {seed}")
    members = random.choice(SIZES) if members is None else members
    changes = changing.random() < 0.25
    if changes and members == 4:
        members = changing.choice((4, 5))
    stormy = random.random() < 0.4
    turns = Random(f"turns {seed}").choice((0, 2, 3, 5, 8, 20))
    terms = Random(f"passed over {seed}").choice((0, 1, 4, 16))
    parameters = _with_room(_parameters(random, stormy), members)
    parameters = structs.replace(parameters, turn_heights=turns, pass_over_turns=terms)
    trouble_ms = random.randint(2, 14) * 1_000
    keeping, kept = Random(f"keeping {seed}"), None
    if members > 1 and keeping.random() < KEEPERS:
        trouble_ms = max(trouble_ms, KEEPERS_LEAST_MS)
        parameters = _short_lived(parameters)
        kept = Keeping(keeping.choice((8, 16, 24)), keeping.choice((4, 8, 12)), 1)
    faulty = _faulty(random, members)
    count = random.randint(10, 40) if stormy else random.randint(0, 14)
    faults = [_fault(random, members, trouble_ms, stormy) for _ in range(count)]
    if stormy and random.random() < 0.5:
        # Views that come and go all the time.
        faults = [*faults[:4], Fault(200, "shuffle", 0, trouble_ms, amount=random.choice((2, 6, 12, 25)))]
    all_restart = random.random() < 0.2
    if all_restart:
        at = random.randint(500, trouble_ms)
        kind = random.choice(EVERYBODY)
        faults += [Fault(at + random.randint(0, 50), kind, node, 300) for node in range(members)]
    for node, strategy in faulty:
        if strategy == "disk":
            kinds = TAMPERINGS if kept is None else KEEPERS_TAMPERINGS
            faults.append(_tampering(random, node, trouble_ms, kinds))
    if kept is not None:
        sound = [one for one in range(members) if one not in dict(faulty)]
        faults += _joining(keeping, sound, trouble_ms)
        if faulty or all_restart:
            kept = replace(kept, whole=keeping.choice(sound))
    turning = Random(f"turned {seed}")
    if faulty and faulty[0][1] != "disk" and turning.random() < TURNCOATS:
        faulty[0] = (faulty[0][0], Turncoat.name)
        faults += _forgetting(turning, faulty[0][0], members, trouble_ms)
    return Plan(
        seed=seed,
        members=members,
        parameters=parameters,
        delay_ms=random.choice(((1, 3), (1, 10), (5, 40))),
        rotate_bytes=random.choice((4_000, 20_000, 100_000)),
        faulty=tuple(faulty),
        faults=tuple(sorted(faults, key=lambda fault: fault.at_ms)),
        submits=_submits(random, members, trouble_ms),
        trouble_ms=trouble_ms,
        changes=_changes(changing, members, len(faulty), trouble_ms) if changes else (),
        keeping=kept,
    )


def _changes(random: Random, members: int, faulty: int, trouble_ms: int) -> tuple[Change, ...]:
    """One member after the other leaves the voters and comes back, as far as the faulty ones are tolerated
    meanwhile."""
    if members < 4 or faulty > (members - 2) // 3:
        return ()
    found: list[Change] = []
    at_ms = random.randint(100, 2_000)
    while at_ms < trouble_ms:
        member = random.randrange(members)
        for kind in random.choice(((DEMOTE, PROMOTE), (ROTATE,))):
            found.append(Change(at_ms, kind, member))
            at_ms += random.randint(300, 3_000)
    return tuple(found)


def _parameters(random: Random, stormy: bool) -> Parameters:
    """Small frames: so a block holds few batches, and several are in flight at once. In a storm short
    timeouts: so that views come and go."""
    base_ms = 300 if stormy else random.choice((300, 500, 1_000))
    window = random.choice((1, 2, 3, 4, 8, 8))
    return Parameters(
        window=window,
        batch_bytes=4_096 * random.choice((1, 4)),
        batch_transactions=random.choice((1, 2, 10)),
        batch_delay_ms=random.choice((0, 5, 20)),
        block_bytes=65_536,
        unordered_bytes=1_048_576,
        frame_bytes=random.choice((65_536, 65_536, 131_072)),
        clock_skew_ms=random.choice((500, 2_000)),
        base_timeout_ms=base_ms,
        max_timeout_ms=max(1_000, base_ms * random.choice((2, 4, 8))),
        validity_heights=random.choice((max(10, 8 * window), 1_000)),
    )


def _with_room(parameters: Parameters, members: int) -> Parameters:
    """Frames that hold a NEW-VIEW of so many members, as genesis demands."""
    voters = ReplicaSet(0, tuple(Voter(number, number.to_bytes(32, "big")) for number in range(members)))
    while proposal_bytes(parameters, voters) < ONE_REF_BYTES:
        parameters = structs.replace(parameters, frame_bytes=2 * parameters.frame_bytes)
    return parameters


def full_house(members: int) -> Plan:
    """As many faulty members as there may be, one strategy each in turn, and a little of everything else."""
    f = (members - 1) // 3
    names = [strategy.name for strategy in STRATEGIES]
    faulty = tuple((members - 1 - at, names[(members + at) % len(names)]) for at in range(f))
    faults = (
        Fault(600, "isolate", 0, 500),
        Fault(900, "kill-on", 1, 300, amount=0),
        Fault(1_200, "lossy", 0, 300),
        Fault(1_600, "power", 0, 300),
    )
    return Plan(
        seed=members,
        members=members,
        parameters=_with_room(
            Parameters(window=4, base_timeout_ms=500, max_timeout_ms=2_000, turn_heights=3), members
        ),
        delay_ms=(1, 10),
        rotate_bytes=20_000,
        faulty=faulty,
        faults=faults,
        submits=tuple(Submit(300 + 400 * at, at % members, 1) for at in range(5)),
        trouble_ms=2_500,
    )


def _faulty(random: Random, members: int) -> list[tuple[int, str]]:
    f = (members - 1) // 3
    count = random.choice((0, f, f)) if f else 0
    chosen = random.sample(range(members), count)
    names = [strategy.name for strategy in STRATEGIES] * 3 + ["disk"] * 6
    if random.random() < 0.5:
        # Together they are stronger.
        name = random.choice(names)
        return [(node, name) for node in sorted(chosen)]
    return [(node, random.choice(names)) for node in sorted(chosen)]


def _fault(random: Random, members: int, trouble_ms: int, stormy: bool) -> Fault:
    kind = random.choice(STORMY if stormy else KINDS)
    return Fault(
        at_ms=random.randint(200, trouble_ms),
        kind=kind,
        node=random.randrange(members),
        for_ms=random.choice((100, 400, 1_500) if stormy else (50, 300, 1_000, 3_000)),
        peer=random.randrange(members),
        amount=random.randint(0, 40),
    )


def _short_lived(parameters: Parameters) -> Parameters:
    """Transactions that are valid for a few heights only, so that blocks are old soon."""
    window = min(2, parameters.window)
    return structs.replace(parameters, window=window, validity_heights=max(10, 8 * window))


def _joining(random: Random, sound: Sequence[int], trouble_ms: int) -> list[Fault]:
    """One node is away until the others no longer have the blocks that it lacks; crashes wait for it when it
    takes over a snapshot."""
    node, at_ms = random.choice(sound), random.randint(300, 1_500)
    for_ms = trouble_ms * random.choice((4, 5, 6)) // 10
    found = [Fault(at_ms, "power", node, for_ms)]
    for amount in random.choice(((), (1,), (3, 9), (2, 5, 14))):
        found.append(Fault(at_ms, "kill-joining", node, 0, peer=random.randrange(2), amount=amount))
    if random.random() < 0.3:
        found.append(Fault(at_ms + for_ms + 2_000, "power-at", node, 0, amount=random.randint(0, 60)))
    return found


def _tampering(random: Random, node: int, trouble_ms: int, kinds: Sequence[str]) -> Fault:
    kind = random.choice(kinds)
    at_ms = random.randint(1_000, trouble_ms)
    return Fault(at_ms, kind, node, random.choice((50, 500, 2_000)), amount=random.randint(100, at_ms))


def _forgetting(random: Random, turncoat: int, members: int, trouble_ms: int) -> list[Fault]:
    """One after the other misses batches, and stops just when it entered a view that proposes them again."""
    found: list[Fault] = []
    for at_ms in range(300, trouble_ms, 1_000):
        node = random.choice([one for one in range(members) if one != turncoat])
        found.append(Fault(at_ms, "starve", node, 1_500))
        found.append(Fault(at_ms, "kill-entered", node, 30))
    return found


def _submits(random: Random, members: int, trouble_ms: int) -> tuple[Submit, ...]:
    """Now and then something, or a lot at once."""
    found: list[Submit] = []
    pause_ms = random.choice((100, 250, 600))
    at_ms = 50
    while at_ms < trouble_ms:
        burst = random.choice((1, 1, 1, 4))
        for _ in range(burst):
            found.append(Submit(at_ms, random.randrange(members), random.randint(1, 3)))
        at_ms += random.randint(1, 2 * pause_ms)
    return tuple(found)
