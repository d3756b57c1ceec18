"""Messages and bytes per block against the number of members, with nothing going wrong."""

from dataclasses import dataclass
from random import Random

from chainnode.net.port import Channel
from consensus.parameters import Parameters
from tests.sim.scenario import Plan, Submit
from tests.sim.world import World

SIZES = (4, 7, 10, 16, 31)
BLOCKS = 10
EVERY_MS = 400
"""One transaction at a time: so every one is a block of its own."""


@dataclass(frozen=True)
class Cost:
    """Of one block in the mean, over all members together."""

    members: int
    quorum: int
    votes: float
    vote_bytes: float
    bulk: float
    bulk_bytes: float


def cost_of(members: int, blocks: int = BLOCKS) -> Cost:
    """Of `blocks` blocks with a transaction each, after everybody has started."""
    plan = Plan(
        seed=members,
        members=members,
        parameters=Parameters(),
        delay_ms=(1, 10),
        rotate_bytes=1_000_000,
        faulty=(),
        faults=(),
        submits=(),
        trouble_ms=0,
    )
    world = World(plan)
    for node in world.nodes:
        node.start()
    # Links come up, the guard is answered; one block before what is counted.
    world.scheduler.run_until(2_000)
    world.submit(0, 1)
    world.scheduler.run_until(4_000)
    links, first = world.links, world.checks.top
    frames, sent_bytes = links.frames.copy(), links.sent_bytes.copy()
    started_ms = world.scheduler.now_ms
    random = Random(f"table {members}")
    submits = [Submit(started_ms + EVERY_MS * at, random.randrange(members), 1) for at in range(blocks)]
    for one in submits:
        world.scheduler.at(one.at_ms, lambda one=one: world.submit(one.node, one.transactions))
    world.scheduler.run_until(started_ms + EVERY_MS * (blocks + 2))
    made = world.checks.top - first
    assert made > 0, "no block was made"
    return Cost(
        members,
        world.chain.members.quorum,
        (links.frames[Channel.VOTES] - frames[Channel.VOTES]) / made,
        (links.sent_bytes[Channel.VOTES] - sent_bytes[Channel.VOTES]) / made,
        (links.frames[Channel.BULK] - frames[Channel.BULK]) / made,
        (links.sent_bytes[Channel.BULK] - sent_bytes[Channel.BULK]) / made,
    )


def print_table() -> int:
    print("Messages and bytes per block, all members together, one transaction in each block, no faults.")
    print("(votes: PRE-PREPARE, PREPARE, COMMIT, BLOCK-VOTE; bulk: batches, offers, status)")
    print("   n   f  quorum    votes  vote KiB    bulk  bulk KiB  KiB a node")
    for members in SIZES:
        cost = cost_of(members)
        total_kib = (cost.vote_bytes + cost.bulk_bytes) / 1_024
        print(
            f"{members:>4} {(members - 1) // 3:>3} {cost.quorum:>7} {cost.votes:>8.0f} "
            f"{cost.vote_bytes / 1_024:>9.1f} {cost.bulk:>7.0f} {cost.bulk_bytes / 1_024:>9.1f} "
            f"{total_kib / members:>11.1f}",
            flush=True,
        )
    return 0
