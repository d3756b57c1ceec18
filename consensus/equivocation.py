"""Two messages of one key that cannot both be honest, as a proof that anybody can check.

A replica says one thing of each slot, height and view, whatever happens to it: what it said is in its log
before it leaves. So two that differ convict the holder of the key, and nobody else can make them up. What is
nested inside (certificates, other replicas' votes) may be anything; the outer signature is what counts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import structs

from consensus.codec import DecodeError, decode, encode
from consensus.domain import DIGEST_BYTES, SIGNATURE_BYTES, digest
from consensus.messages import (
    UNSIGNED,
    BlockVote,
    Certified,
    Commit,
    Message,
    Prepare,
    PrePrepare,
    SignedMessage,
    signed_bytes,
)
from consensus.types import Digest, ReplicaId, View

MAX_NUMBER = 2**53
"""Of epoch, view, slot and replica: what lies beyond is no honest replica's either, but has no name."""


@dataclass(frozen=True, slots=True)
class Equivocation:
    """`kind`: the messages' tag; `slot`: the sequence, the height, or the view that is asked for or entered;
    `view` is 0 for BLOCK-VOTEs. `first` and `second`: digests of what was said, in ascending order."""

    replica: ReplicaId
    epoch: int
    kind: str
    slot: int
    view: View
    first: Digest
    second: Digest

    @property
    def id(self) -> Digest:
        """One for each pair, in whatever order and however often it is reported."""
        named = (self.replica, self.epoch, self.kind, self.slot, self.view)
        return digest("equivocation", encode(named), self.first, self.second)


def _kind(message: SignedMessage) -> str:
    return str(message.__struct_config__.tag)


def _place(message: SignedMessage) -> tuple[int, View]:
    """The slot, height or view that was spoken of, and the view."""
    if isinstance(message, BlockVote):
        return message.height, 0
    if isinstance(message, PrePrepare | Prepare | Commit):
        return message.sequence, message.view
    return message.view, message.view


def _said(message: SignedMessage, chain_id: bytes) -> Digest:
    if isinstance(message, PrePrepare):
        return message.digest(chain_id)
    if isinstance(message, Prepare | Commit):
        return message.digest
    if isinstance(message, BlockVote):
        return message.header_hash
    return digest(_kind(message), encode(structs.replace(message, signature=UNSIGNED)))


def between(first: Message, second: Message, chain_id: bytes) -> Equivocation | None:
    """What two messages prove if both signatures hold; None where they do not contradict each other."""
    if isinstance(first, Certified) or isinstance(second, Certified) or type(first) is not type(second):
        return None
    slot, view = _place(first)
    if (first.replica, first.epoch, slot, view) != (second.replica, second.epoch, *_place(second)):
        return None
    if not all(0 <= number < MAX_NUMBER for number in (first.replica, first.epoch, slot, view)):
        return None
    low, high = sorted((_said(first, chain_id), _said(second, chain_id)))
    if low == high or not len(low) == len(high) == DIGEST_BYTES:
        return None
    return Equivocation(first.replica, first.epoch, _kind(first), slot, view, low, high)


def proven(
    first: bytes,
    second: bytes,
    *,
    key: bytes,
    chain_id: bytes,
    verify: Callable[[bytes, bytes, bytes], bool],
    limit_bytes: int,
) -> Equivocation | None:
    """What two encoded messages prove, both signed by `key`; None where they prove nothing.

    `limit_bytes`: of each. Two signatures are checked, whatever is nested inside.
    """
    messages: list[Message] = []
    for data in (first, second):
        try:
            messages.append(decode(data, Message, limit_bytes=limit_bytes))  # type: ignore[arg-type]
        except DecodeError:
            return None
    found = between(messages[0], messages[1], chain_id)
    if found is None:
        return None
    for message in messages:
        assert not isinstance(message, Certified), "that contradicts nothing"
        if len(message.signature) != SIGNATURE_BYTES:
            return None
        if not verify(key, signed_bytes(message, chain_id), message.signature):
            return None
    return found
