"""What each peer last said, and what its clock shows beside this node's: for `status --why`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from structlog.stdlib import BoundLogger

from chainnode.net.wire import Pulse, Status
from chainnode.node.clock import now
from consensus.messages import Certified, Message, NewView, ViewChange, message_sequence
from consensus.types import Now, ReplicaId

FRESH_MS = 10_000
"""An older word of a peer says nothing of its clock and whether it votes."""


@dataclass(slots=True)
class Heard:
    """Of one peer; times are this node's monotonic ms. `voting` None: it did not say."""

    message: str = ""
    message_at_ms: int | None = None
    view: int = 0
    height: int | None = None
    """What it says is certified; None: it has not said."""
    voting: bool | None = None
    clock_ms: int = 0
    """Its wall clock minus this node's, when its last word came."""
    clock_at_ms: int | None = None


def named(message: Message) -> str:
    """`commit 12`, `view-change 3`: what it is, and the slot, height or view."""
    number = message.view if isinstance(message, ViewChange | NewView) else message_sequence(message)
    return f"{message.__struct_config__.tag} {number}"


class Peers:
    """Fed by the network's frames. `skew_ms`: by how much a proposed time may differ from a node's clock."""

    def __init__(
        self, peers: Sequence[ReplicaId], skew_ms: int, log: BoundLogger, clock: Callable[[], Now] = now
    ) -> None:
        self._heard = {peer: Heard() for peer in peers}
        self._skew_ms = skew_ms
        self._log = log
        self._clock = clock
        self._off: tuple[ReplicaId | None, ...] = ()

    def of(self, peer: ReplicaId) -> Heard:
        return self._heard.setdefault(peer, Heard())

    def on_message(self, peer: ReplicaId, message: Message) -> None:
        """A consensus message that `peer` signed and sent itself."""
        if message.replica == peer or isinstance(message, Certified):
            heard = self.of(peer)
            heard.message, heard.message_at_ms = named(message), self._clock().monotonic_ms

    async def on_link(self, peer: ReplicaId, up: bool) -> None:
        """Whether it votes it has to say anew: it may be another release, or may have been restored."""
        self.of(peer).voting = None

    async def on_status(self, peer: ReplicaId, frame: Status) -> None:
        self.of(peer).view, self.of(peer).height = frame.view, frame.height

    async def on_pulse(self, peer: ReplicaId, frame: Pulse) -> None:
        self.of(peer).voting = frame.voting
        self._time_told(peer, frame.wall_ms)

    def proposed(self, peer: ReplicaId, time_ms: int) -> None:
        """A proposal of `peer` whose time this node does not share."""
        self._time_told(peer, time_ms)

    def _time_told(self, peer: ReplicaId, wall_ms: int) -> None:
        current, heard = self._clock(), self.of(peer)
        heard.clock_ms, heard.clock_at_ms = wall_ms - current.wall_ms, current.monotonic_ms
        self._note()

    def clock_of(self, peer: ReplicaId) -> int | None:
        """The peer's clock minus this node's in ms; None where it has not told lately."""
        heard = self.of(peer)
        told = heard.clock_at_ms
        recent = told is not None and self._clock().monotonic_ms - told <= FRESH_MS
        return heard.clock_ms if recent else None

    def clocks_off(self) -> dict[ReplicaId | None, int]:
        """Whose clock is off by more than the chain allows, and by how many ms; None stands for this node.

        What most clocks show is taken for the time. Of two that differ nobody knows which is right: the other
        one is named.
        """
        told = {peer: offset for peer in self._heard if (offset := self.clock_of(peer)) is not None}
        shown = sorted([0, *told.values()])
        middle = min(shown[(len(shown) - 1) // 2], shown[len(shown) // 2], key=abs)
        if abs(middle) > self._skew_ms:
            return {None: -middle}
        return {peer: offset for peer, offset in sorted(told.items()) if abs(offset) > self._skew_ms}

    def clock_trouble(self) -> str:
        """The same in words; empty where all clocks agree."""
        off = self.clocks_off()
        if None in off:
            return f"this node's clock is {_span(off[None])} the others': set it right (timedatectl)"
        told = [f"member {peer}'s is {_span(offset)} this node's" for peer, offset in off.items()]
        return "clocks differ: " + ", ".join(told) if told else ""

    def _note(self) -> None:
        """In the log when it begins, and when it ends."""
        off = tuple(self.clocks_off())
        if off == self._off:
            return
        self._off = off
        if off:
            self._log.warning("clock off", trouble=self.clock_trouble())
        else:
            self._log.info("clocks agree again")


def _span(milliseconds: int) -> str:
    seconds = abs(milliseconds) / 1_000
    side = "ahead of" if milliseconds > 0 else "behind"
    return f"{seconds:.1f} s {side}" if seconds < 120 else f"{seconds / 60:.0f} min {side}"
