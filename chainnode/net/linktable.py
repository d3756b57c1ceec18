"""The table of links that every engine keeps: who gets in, which of two links of a pair stays, what is said
of attempts that gave none. It waits for a peer's answer and nothing else, in whatever loop it runs."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from chainnode.net.bridge import Bridge
from chainnode.net.dialling import dials, outlives
from chainnode.net.framing import LinkFault
from chainnode.net.link import LinkShare
from chainnode.net.linkstate import unix_ms
from chainnode.net.port import Channel, CloseReason, LinkLimits, Peer, PeerId, TransportConfig
from chainnode.net.rivals import RIVALS_TOLD

log = structlog.get_logger(__name__)

_MAX_BACKLOG = 256
_MAX_NOTED = 256


class RunningLink(Protocol):
    """A link that is up. The first fault that it is closed with counts."""

    @property
    def share(self) -> LinkShare: ...

    def wake(self, channel: Channel) -> None: ...

    def close(self, fault: LinkFault) -> None: ...

    async def answers(self) -> bool:
        """Whether a ping that is sent now is answered soon."""


L = TypeVar("L", bound=RunningLink)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A connection whose peer has shown its `key` and greeted. `turn_away` says that its key is in use."""

    peer: PeerId
    key: bytes
    inbound: bool
    address: str
    version: int
    turn_away: Callable[[], Awaitable[None]]


def members_by_key(config: TransportConfig) -> dict[bytes, PeerId]:
    """Whose each key is. One that a later member presents too stays the earlier one's."""
    allowed: dict[bytes, PeerId] = {}
    for number in sorted(config.peers):
        for key in config.peers[number].keys:
            allowed.setdefault(key, number)
    return allowed


class LinkTable:
    """`wake` is what a LinkShare calls (see there); `gone` is told of a peer whose link was taken out."""

    def __init__(
        self,
        config: TransportConfig,
        bridge: Bridge,
        wake: Callable[[LinkShare, Channel], None],
        gone: Callable[[PeerId], None],
    ) -> None:
        self.config = config
        self.allowed = members_by_key(config)
        self._bridge = bridge
        self._wake = wake
        self._gone = gone
        self._links: dict[PeerId, RunningLink] = {}
        self._keys: dict[PeerId, bytes] = {}
        self._noted: dict[str, CloseReason] = {}

    def __contains__(self, peer: PeerId) -> bool:
        return peer in self._links

    def of(self, share: LinkShare) -> RunningLink | None:
        """The link behind `share`, while it is up."""
        link = self._links.get(share.peer)
        return link if link is not None and link.share is share else None

    def change(self, config: TransportConfig) -> None:
        """Other peers or another key: links that are taken no more are closed."""
        old, self.config = self.config, config
        self.allowed = members_by_key(config)
        for peer, link in list(self._links.items()):
            if config.seed != old.seed:
                self.drop(link, LinkFault(CloseReason.REPLACED, "this node takes another key"))
            elif self.allowed.get(self._keys[peer]) != peer:
                self.drop(link, LinkFault(CloseReason.REMOVED, "its key is no member's any more"))

    def to_dial(self) -> dict[PeerId, Peer]:
        """Whom this node connects to."""
        peers = self.config.peers.items()
        return {number: peer for number, peer in peers if dials(self.config.member, number, peer)}

    async def admit(self, newcomer: Newcomer, make: Callable[[LinkShare], L]) -> L:
        """Make it the peer's link. Raises LinkFault where another one stays."""
        own, peer = self.config.member, newcomer.peer
        if self._bridge.backlog() > _MAX_BACKLOG:
            raise LinkFault(CloseReason.FAULT, "the node does not keep up with links that come and go")
        dialled_by = peer if newcomer.inbound else own
        while (old := self._links.get(peer)) is not None:
            if outlives(own, peer, old.share.dialled_by, dialled_by):
                raise LinkFault(CloseReason.REPLACED, f"the link that member {min(own, peer)} dialled stays")
            if newcomer.inbound and old.share.dialled_by == dialled_by and await old.answers():
                linked = old.share.address
                self._contested(peer, own=False, address=newcomer.address, linked=linked)
                await newcomer.turn_away()
                raise LinkFault(CloseReason.KEY_IN_USE, f"{linked} has a live link under this key")
            self.drop(old, LinkFault(CloseReason.REPLACED, "a newer link took its place"))
        if self.allowed.get(newcomer.key) != peer:  # it was when this began
            raise LinkFault(CloseReason.STRANGER, f"the key of member {peer} is taken no more")
        share = LinkShare(
            peer,
            dialled_by,
            newcomer.address,
            self.config.limits,
            unix_ms(),
            self._wake,
            version=newcomer.version,
        )
        link = make(share)
        self._links[peer], self._keys[peer] = link, newcomer.key
        self._noted.pop(f"member {peer}", None)
        self._bridge.link_up(share)
        log.info("link up", peer=peer, address=newcomer.address, dialled_by=dialled_by)
        return link

    def ended(self, link: RunningLink, fault: LinkFault) -> None:
        """It runs no more."""
        if fault.reason is CloseReason.KEY_IN_USE:
            self._contested(link.share.peer, own=True, address=link.share.address)
        self.drop(link, fault)

    def drop(self, link: RunningLink, fault: LinkFault) -> None:
        """Take the link out of the table, once, and end it."""
        peer = link.share.peer
        link.close(fault)
        if self._links.get(peer) is link:
            del self._links[peer]
            self._bridge.link_down(link.share, fault.reason)
            self._gone(peer)
            log.info("link down", peer=peer, reason=str(fault.reason), detail=fault.detail)

    def no_link(self, peer: PeerId | None, address: str, fault: LinkFault) -> None:
        """Report an attempt that failed, dialled or not; the same again and again is no news."""
        if peer is not None:
            self._bridge.failed(peer, fault.reason)
        whom = f"member {peer}" if peer is not None else address.rpartition(":")[0]
        if self._noted.get(whom) is fault.reason:
            return
        if len(self._noted) >= _MAX_NOTED:
            self._noted.clear()
        self._noted[whom] = fault.reason
        say = log.info if fault.reason is CloseReason.UNREACHABLE else log.warning
        say("no link", whom=whom, address=address, reason=str(fault.reason), detail=fault.detail)

    def _contested(self, peer: PeerId, *, own: bool, **addresses: str) -> None:
        """Two processes use one key. Said once, until it has been over for a while."""
        if self._bridge.contested(peer, own=own) != RIVALS_TOLD:
            return
        if own:
            log.warning("another process uses this member's key", peer=peer, **addresses)
        else:
            log.warning("two processes use one member's key", peer=peer, **addresses)


class Pending:
    """Inbound connections that have not shown who they are, bounded in all and for each host."""

    def __init__(self, limits: LinkLimits) -> None:
        self._limits = limits
        self._hosts: Counter[str] = Counter()

    def enter(self, host: str) -> bool:
        """False where there are too many."""
        if (
            self._hosts.total() >= self._limits.pending_inbound
            or self._hosts[host] >= self._limits.pending_inbound_per_host
        ):
            return False
        self._hosts[host] += 1
        return True

    def leave(self, host: str) -> None:
        self._hosts[host] -= 1
        if not self._hosts[host]:
            del self._hosts[host]
