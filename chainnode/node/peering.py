"""Whom this node links to: keys of the members from genesis, addresses from its own configuration."""

from typing import Any

from chainnode.net.port import Peer, TransportConfig
from chainnode.node.opening import Opened


def transport_config(opened: Opened) -> TransportConfig:
    """A member without an address here is waited for: it connects to this node."""
    peers: dict[int, Peer] = {}
    for member in opened.genesis.members:
        if member.number == opened.member.number:
            continue
        local = opened.config.peer(member.id)
        address = (local.host, local.port) if local is not None and local.host else None
        dial: Any = local.dial if local is not None else "in"
        peers[member.number] = Peer(member.transport_key, address, dial)
    return TransportConfig(
        member=opened.member.number,
        seed=opened.keys.transport.seed,
        chain_id=opened.genesis.chain_id,
        listen=(opened.config.listen.host, opened.config.listen.port),
        peers=peers,
        frame_bytes=opened.genesis.parameters.frame_bytes,
    )
