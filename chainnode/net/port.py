"""The Transport port: what the node knows of its links. No type of any library shows here.

A link joins this node and one other member. It carries frames (bytes) on two channels, each in
order; a frame arrives once or, where a link breaks, not at all. Nobody is told which frames were
lost: after a LinkEvent that a link is up the upper layer sends again what the peer may lack.
Every queue is bounded in bytes, per peer and per channel, in both directions. Where the receiver
does not take frames out, the sender comes to wait (back pressure), on that channel of that peer alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Literal, Protocol, TypeAlias

PeerId = int
"""The member's number in genesis."""

Dial = Literal["auto", "in", "out"]
"""Who connects: `out` this node, `in` the peer, `auto` the lower number."""


FRAME_COST_BYTES = 64
"""Charged for each frame beside its length, so that floods of tiny frames are bounded too."""


class Channel(IntEnum):
    """Votes never wait behind bulk."""

    VOTES = 0
    BULK = 1


class CloseReason(StrEnum):
    """Why a link went down or never came up."""

    CLOSED_BY_PEER = "closed-by-peer"
    UNREACHABLE = "unreachable"
    HANDSHAKE_FAILED = "handshake-failed"
    STRANGER = "stranger"
    WRONG_CHAIN = "wrong-chain"
    WRONG_VERSION = "wrong-version"
    WRONG_MEMBER = "wrong-member"
    SILENT = "silent"
    WRITE_TIMEOUT = "write-timeout"
    FRAME_TOO_LARGE = "frame-too-large"
    MALFORMED = "malformed"
    OVERRUN = "overrun"
    REPLACED = "replaced"
    KEY_IN_USE = "key-in-use"
    REMOVED = "removed"
    STOPPING = "stopping"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Inbound:
    """A frame from `peer`, whose key was checked when the link came up."""

    peer: PeerId
    channel: Channel
    frame: bytes


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """The link to `peer` came up (`reason` None) or went down."""

    peer: PeerId
    up: bool
    reason: CloseReason | None = None


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """A link as `status` shows it. Times in Unix ms, queues in bytes.

    `since_ms`: of the last change; `version`: of the frames, 0 where there is no link; `last_heard_ms`: 0
    where nothing was heard since the start; `round_trip_us`: 0 where not measured; `dropped_frames`: that
    `try_send` turned away or that still waited when a link broke; `reason`: why the link is or last was down;
    `rivals`: how often lately a second live link under the peer's key was turned away here; `refusals`: how
    often lately the peer turned this node away, for it has a live link under this node's key.
    """

    peer: PeerId
    up: bool
    since_ms: int
    dialled_by: PeerId | None = None
    address: str = ""
    version: int = 0
    queued_out_bytes: int = 0
    queued_in_bytes: int = 0
    last_heard_ms: int = 0
    round_trip_us: int = 0
    sent_frames: int = 0
    received_frames: int = 0
    dropped_frames: int = 0
    reason: CloseReason | None = None
    rivals: int = 0
    refusals: int = 0


@dataclass(frozen=True, slots=True)
class Peer:
    """A member to be linked with. `transport_key`: Ed25519 public key, 32 bytes; `address` None: it dials.

    `next_key`: one that it is about to take; until then both are taken from it. Empty where there is none.
    """

    transport_key: bytes
    address: tuple[str, int] | None = None
    dial: Dial = "auto"
    next_key: bytes = b""

    @property
    def keys(self) -> tuple[bytes, ...]:
        return (self.transport_key, self.next_key) if self.next_key else (self.transport_key,)


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """Bounds and timers of a link; local, for they cannot halt others.

    Queues hold for each peer and direction; a frame costs its length and `FRAME_COST_BYTES`. A queue
    takes two frames of the largest size, for credit comes back in quarters of it.
    """

    votes_queue_bytes: int = 2_621_440
    bulk_queue_bytes: int = 4_194_304
    handshake_timeout_ms: int = 8_000
    heartbeat_ms: int = 1_000
    silent_after_ms: int = 4_000
    write_timeout_ms: int = 4_000
    redial_first_ms: int = 100
    redial_max_ms: int = 5_000
    pending_inbound: int = 64
    pending_inbound_per_host: int = 16

    def queue_bytes(self, channel: Channel) -> int:
        return self.votes_queue_bytes if channel is Channel.VOTES else self.bulk_queue_bytes

    @staticmethod
    def for_frames(frame_bytes: int) -> "LinkLimits":
        """The defaults, with queues that suit frames of up to `frame_bytes`."""
        least = 2 * (frame_bytes + FRAME_COST_BYTES)
        return replace(
            USUAL_LIMITS,
            votes_queue_bytes=max(USUAL_LIMITS.votes_queue_bytes, least),
            bulk_queue_bytes=max(USUAL_LIMITS.bulk_queue_bytes, 2 * least),
        )


USUAL_LIMITS = LinkLimits()


@dataclass(frozen=True, slots=True)
class TransportConfig:
    """What a transport needs to know. `seed`: 32 bytes of this member's Ed25519 transport key.

    `peers`: every other member; nobody else gets in. `listen`: host and port, 0 for any free one.
    Limits that are left out suit `frame_bytes`.
    """

    member: PeerId
    seed: bytes = field(repr=False)
    chain_id: bytes
    listen: tuple[str, int]
    peers: Mapping[PeerId, Peer]
    frame_bytes: int
    limits: LinkLimits = USUAL_LIMITS

    def __post_init__(self) -> None:
        if self.limits is USUAL_LIMITS:
            object.__setattr__(self, "limits", LinkLimits.for_frames(self.frame_bytes))
        least = 2 * (self.frame_bytes + FRAME_COST_BYTES)
        assert self.member not in self.peers
        assert self.limits.votes_queue_bytes >= least and self.limits.bulk_queue_bytes >= least


Tap: TypeAlias = Callable[[Literal["in", "out"], PeerId, Channel, bytes], None]
"""Sees plain frames before encryption; for tests alone. Called from the transport's own thread."""


class Transport(Protocol):
    """Links to the other members. All methods belong to the asyncio loop that called `start`."""

    async def start(self) -> None:
        """Listen and begin to dial. Raises OperatorError NET-01, NET-02."""

    async def stop(self) -> None:
        """Close everything, within 2 s; no thread is left. Frames that wait are lost."""

    def change(self, peers: Mapping[PeerId, Peer], seed: bytes) -> None:
        """Whom this node links with from now on, and its own key's seed (32 bytes). Links to who is gone, or
        whose key is taken no more, are closed. With another seed all are, and come up again under it."""

    def try_send(self, peer: PeerId, channel: Channel, frame: bytes) -> bool:
        """Queue a frame. False: no link, or that queue is full; the frame is dropped and counted."""

    async def send(self, peer: PeerId, channel: Channel, frame: bytes) -> bool:
        """Queue a frame, waiting for room. False: there is no link, or it broke meanwhile."""

    async def receive(self) -> Inbound | LinkEvent:
        """The next event or frame: events first, then votes before bulk, peers in turn."""

    def receive_nowait(self) -> Inbound | LinkEvent | None:
        """The same without waiting; None where nothing is here."""

    def links(self) -> dict[PeerId, LinkStatus]:
        """Every other member, linked or not."""

    def listen_addresses(self) -> list[str]:
        """`host:port` (IPv6 in brackets) of each socket that listens."""
