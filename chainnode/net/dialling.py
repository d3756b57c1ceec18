"""Who dials whom, and how often: one side of each pair, with a capped back-off. How addresses are written."""

from collections.abc import Iterator
from random import Random

from chainnode.net.port import LinkLimits, Peer, PeerId


def dials(member: PeerId, number: PeerId, peer: Peer) -> bool:
    """Whether `member` dials the peer with this number."""
    if peer.address is None or peer.dial == "in":
        return False
    return peer.dial == "out" or member < number


def outlives(member: PeerId, peer: PeerId, old_dialled_by: PeerId, new_dialled_by: PeerId) -> bool:
    """Whether of two links of one pair the old one stays.

    Both sides decide by the same rule, or each would close the other's: the link that the lower
    number dialled stays; of two by the same side the newer, for who dials again has lost the older.
    (Where the older still answers, two processes have one key: see LinkTable.admit.)
    """
    return new_dialled_by != old_dialled_by and old_dialled_by == min(member, peer)


def pauses_s(limits: LinkLimits, random: Random) -> Iterator[float]:
    """Pauses between attempts: doubling up to the cap, each 25 % longer or shorter by chance, so that
    nodes that lost their links together do not come back in step."""
    pause_ms = limits.redial_first_ms
    while True:
        yield pause_ms / 1_000 * random.uniform(0.75, 1.25)
        pause_ms = min(2 * pause_ms, limits.redial_max_ms)


def join_address(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """`host:port`, an IPv6 host in brackets."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
