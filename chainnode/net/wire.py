"""Frames between nodes: a tagged union in canonical MessagePack, every field bounded.

`decode_frame` is total: a Frame or a DecodeError, whatever the bytes. What a frame carries as bytes
(consensus messages, batches, blocks) is decoded by its own room.
"""

from typing import Annotated, Literal, TypeAlias, get_args

from msgspec import Meta, Struct

from chainnode.ledger.transaction import MAX_ROW_BYTES, Row
from consensus.codec import DecodeError, decode, encode

OLDEST_VERSION, NEWEST_VERSION = 1, 3
"""Of the frames that this release speaks. A link speaks the newest version that both sides know; a peer with
none in common is refused, with both ranges named."""

MAX_OFFERED_DIGESTS = 1_024
MAX_BLOCKS = 256
MAX_OWN_VOTES = 512
MAX_PARTS = 4_096
MAX_SEALED_BYTES = 4_096
MAX_OPENINGS = 256
MAX_RULE_CHARS = 64
MAX_ROWS_IN_FRAME = 1_024
MAX_CHUNKS = 1_048_576
MAX_ITEM_BYTES = 32_768
MAX_PIECE_TOTAL_BYTES = 67_108_864
MAX_HEADER_BYTES = 4_096

Id = Annotated[bytes, Meta(min_length=16, max_length=16)]
Digest32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Natural = Annotated[int, Meta(ge=0, le=2**53)]
Member = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Seat = Annotated[int, Meta(ge=1, le=255)]
"""A trustee's place in genesis, from 1."""
Bytes = Annotated[bytes, Meta(min_length=1)]


class Hello(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="hello"):
    """The first frame of a link, in both directions; transports send and check it themselves. Its own form is
    that of every version: it says which ones the sender speaks, `oldest` to `newest`."""

    oldest: Natural
    newest: Natural
    chain_id: Digest32
    member: Member


class Consensus(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="consensus"):
    """`message`: encoded consensus.messages.Message."""

    message: Bytes


class Batch(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="batch"):
    """`batch`: encoded SignedBatch, pushed by its origin or in answer to a BatchRequest."""

    batch: Bytes


class BatchOffer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="batch-offer"):
    """Batches of the sender that are not in a block yet: ask for what is not there."""

    digests: Annotated[tuple[Digest32, ...], Meta(min_length=1, max_length=MAX_OFFERED_DIGESTS)]


class BatchRequest(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="batch-request"):
    digest: Digest32


class BatchMissing(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="batch-missing"):
    """The answer of a node that does not hold the batch."""

    digest: Digest32


class BlocksRequest(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="blocks-request"):
    from_height: Natural
    count: Annotated[int, Meta(ge=1, le=MAX_BLOCKS)]


class Blocks(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="blocks"):
    """Certified blocks in order, as many as fit the frame; `tip_height` is the sender's."""

    blocks: Annotated[tuple[Bytes, ...], Meta(max_length=MAX_BLOCKS)]
    tip_height: Natural


class Status(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="status"):
    """Height of the last certified block, and the view."""

    height: Natural
    view: Natural


class Pulse(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="pulse"):
    """With every Status, from version 2 on: whether the sender votes, and its wall clock (Unix ms)."""

    voting: bool
    wall_ms: Natural


class Evidence(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="evidence"):
    """Two consensus messages, encoded, of one member that cannot both be honest; from version 2 on."""

    first: Bytes
    second: Bytes


class OwnVotesRequest(
    Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="own-votes-request"
):
    """Which votes of `replica` do you hold? Asked at every start, to notice a disk that was rolled back."""

    replica: Member


class OwnVotes(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="own-votes"):
    """Encoded messages; their signatures prove themselves."""

    messages: Annotated[tuple[Bytes, ...], Meta(max_length=MAX_OWN_VOTES)]


class ObjectRequest(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="object-request"):
    """A ciphertext, asked for under the release that entitles to it."""

    request_id: Id
    object_id: Id


class ObjectChunk(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="object-chunk"):
    """Chunk `index` of `total`, in order from 0."""

    object_id: Id
    index: Annotated[int, Meta(ge=0, lt=MAX_CHUNKS)]
    total: Annotated[int, Meta(ge=1, le=MAX_CHUNKS)]
    data: Bytes


class ObjectMissing(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="object-missing"):
    object_id: Id


class Part(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A part of an object's key, sealed to the project's key; of role "wrap", the patient's half as it lies
    beside the object (W_p), which trustees are asked to open. A peer of before version 3 refuses such a
    frame."""

    object_id: Id
    role: Literal["provider", "patient", "wrap"]
    sealed: Annotated[bytes, Meta(min_length=1, max_length=MAX_SEALED_BYTES)]


class Pseudonym(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The project's own pseudonym of the subject behind an object."""

    object_id: Id
    pseudonym: Id


class PartDelivery(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="part-delivery"):
    """Parts of the release that was certified at `release_height`; `last`: no more follow."""

    release_height: Natural
    request_id: Id
    parts: Annotated[tuple[Part, ...], Meta(max_length=MAX_PARTS)]
    pseudonyms: Annotated[tuple[Pseudonym, ...], Meta(max_length=MAX_PARTS)]
    last: bool


class PartAck(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="part-ack"):
    """`digest`: of all parts that were received."""

    request_id: Id
    digest: Digest32


class Opening(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An object, and what is asked or said of it: a wrap, or a trustee's part sealed to the project.
    `dealing`: digest of the commitments that the asker knows, or that the trustee's share fits."""

    object_id: Id
    dealing: Digest32
    data: Annotated[bytes, Meta(min_length=1, max_length=MAX_SEALED_BYTES)]


class Declined(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An object that a trustee does not open now, and its rule."""

    object_id: Id
    rule: Annotated[str, Meta(min_length=1, max_length=MAX_RULE_CHARS)]


class OpeningRequest(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="opening-request"):
    """A requester asks a trustee for its parts of the wraps, under a release that names the consents."""

    request_id: Id
    seat: Seat
    wraps: Annotated[tuple[Opening, ...], Meta(min_length=1, max_length=MAX_OPENINGS)]


class OpeningAnswer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="opening-answer"):
    """The trustee's parts, and what it declines."""

    request_id: Id
    seat: Seat
    parts: Annotated[tuple[Opening, ...], Meta(max_length=MAX_OPENINGS)]
    declined: Annotated[tuple[Declined, ...], Meta(max_length=MAX_OPENINGS)]


class SealedShares(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A trustee's shares of a dealing, under its tag (vault/classshares.py)."""

    tag: Id
    sealed: Annotated[bytes, Meta(min_length=1, max_length=MAX_SEALED_BYTES)]


class ShareDelivery(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="share-delivery"):
    """The sealed shares of a dealing, by trustees' tags: all of them, so that each trustee sees by the digest
    on chain that its own is the patient's."""

    handle: Id
    shares_digest: Digest32
    shares: Annotated[tuple[SealedShares, ...], Meta(min_length=1, max_length=MAX_OPENINGS)]


class ShareAnswer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="share-answer"):
    """`submission`: a trustee's encoded AnswerDealing, for a voter to hand in: an observer's node cannot."""

    submission: Annotated[bytes, Meta(min_length=1, max_length=MAX_SEALED_BYTES)]


class RowsRequest(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="rows-request"):
    digests: Annotated[tuple[Digest32, ...], Meta(min_length=1, max_length=MAX_ROWS_IN_FRAME)]


class Rows(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="rows"):
    """The rows that are here, of those that were asked for."""

    rows: Annotated[tuple[Row, ...], Meta(max_length=MAX_ROWS_IN_FRAME)]


class BlocksPruned(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="blocks-pruned"):
    """The answer to a BlocksRequest for blocks that are not kept: `lowest` is the first one that is."""

    lowest: Natural
    tip_height: Natural


class SnapshotRequest(
    Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="snapshot-request"
):
    """Offer a snapshot of the state above this height, once there is one."""

    above: Natural


class SnapshotOffer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="snapshot-offer"):
    """Encoded BlockHeader and its QuorumCertificate: they prove the height and the state's root. `epochs`: an
    encoded ledger.epochs.EpochProof, from genesis to the header's epoch: who it was that voted."""

    header: Annotated[bytes, Meta(min_length=1, max_length=MAX_HEADER_BYTES)]
    certificate: Bytes
    epochs: Bytes


class PieceRequest(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="piece-request"):
    """An encoded node.items.Item of the snapshot at `height`, from byte `offset` on. `ticket`: the asker's
    number for it."""

    ticket: Natural
    height: Natural
    item: Annotated[bytes, Meta(min_length=1, max_length=MAX_ITEM_BYTES)]
    offset: Natural


class Piece(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="piece"):
    """Bytes of an item from `offset` on, of `total`."""

    ticket: Natural
    offset: Natural
    total: Annotated[int, Meta(ge=1, le=MAX_PIECE_TOTAL_BYTES)]
    data: Bytes


class PieceMissing(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="piece-missing"):
    """There is no such snapshot here, or no longer."""

    ticket: Natural


Frame: TypeAlias = (
    Hello
    | Consensus
    | Batch
    | BatchOffer
    | BatchRequest
    | BatchMissing
    | BlocksRequest
    | Blocks
    | Status
    | Pulse
    | Evidence
    | OwnVotesRequest
    | OwnVotes
    | ObjectRequest
    | ObjectChunk
    | ObjectMissing
    | PartDelivery
    | PartAck
    | RowsRequest
    | Rows
    | BlocksPruned
    | SnapshotRequest
    | SnapshotOffer
    | PieceRequest
    | Piece
    | PieceMissing
    | OpeningRequest
    | OpeningAnswer
    | ShareDelivery
    | ShareAnswer
)
FRAME_TYPES: tuple[type[Frame], ...] = get_args(Frame)

_SECOND: tuple[type[Frame], ...] = (
    Pulse,
    Evidence,
    BlocksPruned,
    SnapshotRequest,
    SnapshotOffer,
    PieceRequest,
    Piece,
    PieceMissing,
)
_THIRD: tuple[type[Frame], ...] = (OpeningRequest, OpeningAnswer, ShareDelivery, ShareAnswer)
SINCE: dict[type[Frame], int] = dict.fromkeys(_SECOND, 2) | dict.fromkeys(_THIRD, 3)
"""The version that brought a frame; those of the oldest are not listed."""

MAX_HELLO_BYTES = 128


def common_version(oldest: int, newest: int) -> int | None:
    """The newest version that a peer of this range and this release both speak."""
    version = min(newest, NEWEST_VERSION)
    return version if version >= max(oldest, OLDEST_VERSION) else None


def as_spoken(frame: Frame, version: int) -> Frame | None:
    """What goes out on a link of this version: the frame, what says as much in an older one, or None."""
    if version >= SINCE.get(type(frame), OLDEST_VERSION):
        return frame
    if isinstance(frame, BlocksPruned):
        # Without the block that was asked for it counts as "not here": the next peer is asked at once.
        return Blocks((), frame.tip_height)
    return None


def encode_frame(frame: Frame) -> bytes:
    return encode(frame)


def decode_frame(data: bytes, *, limit_bytes: int) -> Frame:
    """Raises DecodeError: too large, not a frame, a field out of its bounds, or not canonical."""
    frame: Frame = decode(data, Frame, limit_bytes=limit_bytes)  # type: ignore[arg-type]
    if isinstance(frame, Rows) and not all(_row_fits(row) for row in frame.rows):
        raise DecodeError("malformed", f"a row's salt is 32 bytes and its data at most {MAX_ROW_BYTES}")
    if isinstance(frame, ObjectChunk) and frame.index >= frame.total:
        raise DecodeError("malformed", f"no chunk {frame.index} among {frame.total}")
    if isinstance(frame, Piece) and frame.offset + len(frame.data) > frame.total:
        raise DecodeError("malformed", f"a piece reaches beyond {frame.total} bytes")
    return frame


def _row_fits(row: Row) -> bool:
    return len(row.salt) == 32 and len(row.data) <= MAX_ROW_BYTES
