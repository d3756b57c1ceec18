"""Whom this node links to: keys from genesis and chain, addresses from its own configuration."""

from typing import Any

from structlog.stdlib import BoundLogger

from chainnode.net.port import Peer, Transport, TransportConfig
from chainnode.node.opening import Opened
from consensus.types import SequenceNumber


def peers_at(opened: Opened, height: SequenceNumber) -> dict[int, Peer]:
    """The other members at `height`. One without an address here is waited for: it connects to this node. Who
    left the network has no peers: they would turn it away."""
    peers: dict[int, Peer] = {}
    own = opened.members.get(opened.member.number)
    if own is not None and not own.is_present(height):
        return peers
    for member in opened.members.present(height):
        if member.number == opened.member.number:
            continue
        local = opened.config.peer(member.id)
        address = (local.host, local.port) if local is not None and local.host else None
        dial: Any = local.dial if local is not None else "in"
        key, next_key = member.transport_keys(height)
        peers[member.number] = Peer(key, address, dial, next_key)
    return peers


def own_seed(opened: Opened, height: SequenceNumber) -> bytes:
    """The seed of the transport key by which the others know this node at `height`. Where it is not held here
    any more, the keystore's own: the chain, once it is here, says that it is taken."""
    own = opened.members.get(opened.member.number)
    assert own is not None
    wanted, _ = own.transport_keys(height)
    held = {keys.transport.public: keys.transport.seed for keys in opened.all_keys}
    return held.get(wanted, opened.keys.transport.seed)


def transport_config(opened: Opened) -> TransportConfig:
    """As the certified chain has it."""
    certified = opened.executor.certified
    height = (certified.height if certified else 0) + 1
    return TransportConfig(
        member=opened.member.number,
        seed=own_seed(opened, height),
        chain_id=opened.genesis.chain_id,
        listen=(opened.config.listen.host, opened.config.listen.port),
        peers=peers_at(opened, height),
        frame_bytes=opened.genesis.parameters.frame_bytes,
    )


class Peering:
    """Keeps the transport's peers and this node's own key as the certified chain has them.

    A key that is about to change is taken before it does, and the old one until the last block under it is
    certified here: nobody is shut out whose votes that certificate needs.
    """

    def __init__(self, opened: Opened, transport: Transport, log: BoundLogger) -> None:
        self._opened = opened
        self._transport = transport
        self._log = log
        made = transport_config(opened)
        self._applied = (dict(made.peers), made.seed)
        self._settled = False

    def changed(self) -> None:
        """A block changed members."""
        self._opened.members.refresh()
        self._settled = False

    def certified(self, height: SequenceNumber) -> None:
        """Everything up to `height` is certified here."""
        if self._settled:
            return
        self._settled = height + 1 >= self._opened.members.settled_height
        wanted = (peers_at(self._opened, height + 1), own_seed(self._opened, height + 1))
        if wanted != self._applied:
            self._applied = wanted
            self._log.info("peers changed", members=sorted(wanted[0]), height=height)
            self._transport.change(*wanted)
