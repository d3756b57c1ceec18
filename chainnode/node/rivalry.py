"""Two processes under one member's key, as links show it, in words for an operator."""

from collections.abc import Mapping

from chainnode.net.port import LinkStatus
from chainnode.net.rivals import RIVALS_TOLD


def rival_alarms(links: Mapping[int, LinkStatus], names: Mapping[int, str]) -> tuple[str, ...]:
    """A sentence on this node, and one on each peer that comes twice. `names`: member ids by number."""
    refusing = [names.get(peer, str(peer)) for peer, link in links.items() if link.refusals >= RIVALS_TOLD]
    found = []
    if refusing:
        found.append(
            f"another process uses this member's key: {', '.join(refusing)} has a live link with it and "
            "turns this node away; stop one of the two at once (a copied home, or the one before a restore)"
        )
    for peer, link in links.items():
        if link.rivals >= RIVALS_TOLD:
            found.append(
                f"{names.get(peer, str(peer))} connects from two processes with one key: the second is "
                "turned away; call that member, it has to stop one of them"
            )
    return tuple(found)
