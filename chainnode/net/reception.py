"""What came in, on the asyncio side: link events first, then votes before bulk, peers in turn."""

from collections import deque

from chainnode.net.link import LinkShare
from chainnode.net.port import Channel, CloseReason, Inbound, LinkEvent, PeerId

VOTES_IN_A_ROW = 64
"""After so many votes a bulk frame has its turn, so that no flood of votes starves the rest."""


class Reception:
    """Holds one link a peer at most, and two events a peer at most, however often links come and go."""

    def __init__(self) -> None:
        self._links: dict[PeerId, LinkShare] = {}
        self._turn: deque[PeerId] = deque()
        self._events: deque[LinkEvent] = deque()
        self._votes = 0

    def link_up(self, share: LinkShare) -> None:
        """Frames of the peer's earlier link that still wait are dropped: it will send again what counts."""
        if share.peer not in self._links:
            self._turn.append(share.peer)
        self._links[share.peer] = share
        self._events.append(LinkEvent(share.peer, True))

    def link_down(self, share: LinkShare, reason: CloseReason) -> None:
        """Frames that came before stay to be taken."""
        up = LinkEvent(share.peer, True)
        if up in self._events:  # nobody has seen it come
            self._events.remove(up)
        else:
            self._events.append(LinkEvent(share.peer, False, reason))

    def pop(self) -> Inbound | LinkEvent | None:
        if self._events:
            return self._events.popleft()
        first = Channel.BULK if self._votes >= VOTES_IN_A_ROW else Channel.VOTES
        inbound = self._next(first) or self._next(Channel(1 - first))
        if inbound is not None:
            self._votes = self._votes + 1 if inbound.channel is Channel.VOTES else 0
        return inbound

    def _next(self, channel: Channel) -> Inbound | None:
        for _ in range(len(self._turn)):
            peer = self._turn[0]
            self._turn.rotate(-1)
            frame = self._links[peer].take(channel)
            if frame is not None:
                return Inbound(peer, channel, frame)
        return None
