"""Links between nodes: in order, with delays; what is under way when one breaks is lost.

Like the transport of the node: a link is up or down for both, each end hears of it in its own time, and
a frame for a link that is down or full is dropped. A way that is cut without a sign (`mute`) holds frames
back, as TCP does, until it heals or the silence ends the link.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from chainnode.net.port import Channel
from tests.sim.mutation import twisted_frame
from tests.sim.scheduler import Scheduler
from tests.sim.trace import Violation

SILENT_AFTER_MS = 4_000
HELD_FRAMES = 1_024
OLD_FRAMES = 256
STRAYS = 0.5

Direction = tuple[int, int]


class End(Protocol):
    """What a node is to its links."""

    number: int
    alive: bool
    life: int

    def link_changed(self, peer: int, up: bool) -> None: ...

    def inbound(self, peer: int, channel: Channel, frame: bytes) -> None: ...


@dataclass
class Conditions:
    """How the network is at the moment."""

    delay_ms: tuple[int, int] = (1, 10)
    extra_ms: int = 0
    drop_permille: int = 0
    """Frames that find no room in a queue."""
    duplicate_permille: int = 0
    twisted_permille: int = 0
    """Votes that are changed under way, by somebody who holds no key."""
    lossy: dict[tuple[Direction, Channel], int] = field(default_factory=dict)
    """The same for single queues."""

    def lost_permille(self, direction: Direction, channel: Channel) -> int:
        return max(self.drop_permille, self.lossy.get((direction, channel), 0))


@dataclass
class Link:
    """One pair. `severed` and `mute` count the reasons why it may not be up, or not be heard.

    Each has a stream of chances of its own: what happens elsewhere does not change them.
    """

    random: Random
    up: bool = False
    generation: int = 0
    severed: int = 0
    mute: dict[Direction, int] = field(default_factory=dict)
    held: list[tuple[Direction, Channel, bytes]] = field(default_factory=list)
    last_ms: dict[tuple[Direction, Channel], int] = field(default_factory=dict)
    told_ms: dict[int, int] = field(default_factory=dict)

    @property
    def is_cut(self) -> bool:
        return self.severed > 0 or any(self.mute.values())


class Links:
    """A member may have two ends, its twins: each peer is linked with one of them, and some frames go astray
    to and from the other."""

    def __init__(self, scheduler: Scheduler, seed: int, frame_bytes: int) -> None:
        self._scheduler = scheduler
        self._seed = seed
        self._frame_bytes = frame_bytes
        self._ends: dict[int, list[End]] = {}
        self._sides: dict[Direction, int] = {}
        """Member and peer to the one of the member's ends that the peer is linked with."""
        self._links: dict[Direction, Link] = {}
        self.conditions = Conditions()
        self.frames: Counter[Channel] = Counter()
        self.sent_bytes: Counter[Channel] = Counter()
        self._old: deque[bytes] = deque(maxlen=OLD_FRAMES)

    def join(self, end: End) -> None:
        if end.number in self._ends:
            self._ends[end.number].append(end)
            return
        for other in self._ends:
            pair = _pair(end.number, other)
            self._links[pair] = Link(Random(f"link {self._seed} {pair}"))
        self._ends[end.number] = [end]

    @property
    def numbers(self) -> list[int]:
        return list(self._ends)

    def _end(self, number: int, peer: int) -> End:
        """The end of `number` that `peer` is linked with."""
        return self._ends[number][self._sides.get((number, peer), 0)]

    def turn(self, number: int, peer: int, side: int) -> None:
        """Let `peer` be linked with the other twin from now on."""
        if self._sides.get((number, peer), 0) != side:
            self.disconnect(number, peer)
            self._sides[number, peer] = side
            self.connect(number, peer)

    def is_up(self, end: End, peer: int) -> bool:
        return self._end(end.number, peer) is end and self._links[_pair(end.number, peer)].up

    def peers(self, number: int) -> list[int]:
        return [other for other in self._ends if other != number]

    # --- frames -----------------------------------------------------------------------------------

    def send(self, end: End, to: int, channel: Channel, frame: bytes) -> bool:
        """False: dropped by rule, as `Transport.try_send`."""
        sender, size_bytes = end.number, len(frame)
        if size_bytes > self._frame_bytes:
            raise Violation(f"node {sender} sends a frame of {size_bytes} bytes, {self._frame_bytes} at most")
        direction = (sender, to)
        link = self._links[_pair(sender, to)]
        random = link.random
        if not link.up or (self._end(sender, to) is not end and random.random() >= STRAYS):
            return False
        if random.randrange(1_000) < self.conditions.lost_permille(direction, channel):
            return False
        self.frames[channel] += 1
        self.sent_bytes[channel] += size_bytes
        if channel is Channel.VOTES and self.conditions.twisted_permille:
            if random.randrange(1_000) < self.conditions.twisted_permille:
                frame = twisted_frame(frame, random, self._old)
            elif random.random() < 0.1:
                self._old.append(frame)
        if link.mute.get(direction):
            if len(link.held) >= HELD_FRAMES:
                return False
            link.held.append((direction, channel, frame))
            return True
        copies = 2 if random.randrange(1_000) < self.conditions.duplicate_permille else 1
        for _ in range(copies):
            self._dispatch(link, direction, channel, frame)
        return True

    def _dispatch(self, link: Link, direction: Direction, channel: Channel, frame: bytes) -> None:
        low, high = self.conditions.delay_ms
        at = self._scheduler.now_ms + link.random.randint(low, high) + self.conditions.extra_ms
        at = max(at, link.last_ms.get((direction, channel), 0))
        link.last_ms[direction, channel] = at
        generation = link.generation
        sender, to = direction

        def deliver() -> None:
            if not link.up or link.generation != generation:
                return
            for end in self._ends[to]:
                if end is self._end(to, sender) or (end.alive and link.random.random() < STRAYS):
                    end.inbound(sender, channel, frame)

        self._scheduler.at(at, deliver)

    # --- links ------------------------------------------------------------------------------------

    def connect(self, one: int, other: int) -> None:
        """Dial; the link comes up where nothing speaks against it."""
        link = self._links[_pair(one, other)]
        generation = link.generation

        def establish() -> None:
            both = self._end(one, other).alive and self._end(other, one).alive
            if link.up or link.is_cut or not both or link.generation != generation:
                return
            link.up = True
            for end, peer in ((one, other), (other, one)):
                self._tell(link, end, peer, True)

        self._scheduler.after(link.random.randint(5, 120), establish)

    def disconnect(self, one: int, other: int) -> None:
        link = self._links[_pair(one, other)]
        link.generation += 1
        if not link.up:
            return
        link.up = False
        link.held.clear()
        for end, peer in ((one, other), (other, one)):
            self._tell(link, end, peer, False)

    def _tell(self, link: Link, end: int, peer: int, up: bool) -> None:
        """Each end hears of it in its own time, in order, and before any frame of the link."""
        at = max(self._scheduler.now_ms + link.random.randint(0, 20), link.told_ms.get(end, 0))
        link.told_ms[end] = at
        for channel in Channel:
            link.last_ms[(peer, end), channel] = at
        generation, told = link.generation, self._end(end, peer)
        life = told.life

        def tell() -> None:
            stale = up and link.generation != generation
            if told.alive and told.life == life and not stale:
                told.link_changed(peer, up)

        self._scheduler.at(at, tell)

    def started(self, end: End) -> None:
        for other in self.peers(end.number):
            if self._end(end.number, other) is end:
                self.connect(end.number, other)

    def stopped(self, end: End) -> None:
        for other in self.peers(end.number):
            if self._end(end.number, other) is end:
                self.disconnect(end.number, other)

    def sever(self, one: int, other: int) -> None:
        """Break the link and keep it broken, until as many `mend`s."""
        self._links[_pair(one, other)].severed += 1
        self.disconnect(one, other)

    def mend(self, one: int, other: int) -> None:
        link = self._links[_pair(one, other)]
        link.severed = max(0, link.severed - 1)
        if not link.is_cut and not link.up:
            self.connect(one, other)

    def mute(self, sender: int, to: int) -> None:
        """Frames on one way stay away without a sign, until `unmute` or until the silence ends the link."""
        link, direction = self._links[_pair(sender, to)], (sender, to)
        link.mute[direction] = link.mute.get(direction, 0) + 1
        generation = link.generation

        def give_up() -> None:
            if link.up and link.generation == generation and link.mute.get(direction):
                self.disconnect(sender, to)

        self._scheduler.after(SILENT_AFTER_MS, give_up)

    def unmute(self, sender: int, to: int) -> None:
        link, direction = self._links[_pair(sender, to)], (sender, to)
        link.mute[direction] = max(0, link.mute.get(direction, 0) - 1)
        if link.mute[direction]:
            return
        held, link.held = link.held, []
        for item in held:
            if item[0] == direction:
                self._dispatch(link, *item)
            else:
                link.held.append(item)
        if not link.is_cut and not link.up:
            self.connect(sender, to)

    def heal(self) -> None:
        """Whatever was cut comes up again."""
        self.conditions = Conditions(delay_ms=self.conditions.delay_ms)
        for (one, other), link in self._links.items():
            link.severed = 0
            for direction in ((one, other), (other, one)):
                link.mute.pop(direction, None)
                self.unmute(*direction)
            if not link.up:
                self.connect(one, other)


def _pair(one: int, other: int) -> Direction:
    return (one, other) if one < other else (other, one)
