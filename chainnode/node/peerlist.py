"""The peers in the configuration beside the members in genesis: nobody unknown, nobody forgotten."""

from collections.abc import Sequence

from chainnode.node.config import CFG_VALUE, NodeConfig
from genesis.errors import OperatorError, quoted

HINT = 'they are waited for; add [peers.ID] with address = "host:port", or with dial = "in" to say so'


def check_peers(config: NodeConfig, members: Sequence[str]) -> None:
    """Every peer in the configuration is one of `members` (ids).

    Raises OperatorError CFG-05 naming the file, the keys and the ids that are known.
    """
    strangers = [f"peers.{peer.slug}" for peer in config.peers if peer.slug not in members]
    if strangers:
        raise OperatorError(
            CFG_VALUE,
            f"{config.file}: {', '.join(strangers)}: no member of the network has that id; "
            f"the members are {', '.join(members)}",
            unchanged="the file was read and not touched; nothing was started",
            next_step=f"correct it: ${{EDITOR:-nano}} {quoted(config.file)}",
        )


def unaddressed(config: NodeConfig, members: Sequence[str], own: str) -> list[str]:
    """Ids of the other members for whom the configuration has no entry: neither an address to connect to
    nor the word that they connect to this node. Two nodes that do so to each other never link."""
    return [member for member in members if member != own and config.peer(member) is None]
