"""Small changes to messages, as ByzzFuzz makes them (Winter et al., OOPSLA 2023): a number that is one off,
an old value in a new place, a signature from elsewhere.

Here nothing is signed anew: for that see the mutator in byzantine.py, who holds a key.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from msgspec import structs

from chainnode.net.wire import Consensus, decode_frame, encode_frame
from consensus.codec import decode, encode
from consensus.messages import (
    BlockVote,
    Certified,
    Commit,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    ViewChange,
)

M = TypeVar("M", PrePrepare, Prepare, Commit, BlockVote, ViewChange, NewView)


def off_by_one(message: M, random: Random) -> M:
    """View, sequence or height one up or down."""
    step = random.choice((-1, 1))
    if isinstance(message, BlockVote):
        return structs.replace(message, height=message.height + step)
    if isinstance(message, ViewChange | NewView) or random.random() < 0.5:
        return structs.replace(message, view=max(0, message.view + step))
    return structs.replace(message, sequence=message.sequence + step)


def of_another_epoch(message: M, random: Random) -> M:
    return structs.replace(message, epoch=max(0, message.epoch + random.choice((-1, 1))))


def twisted_frame(frame: bytes, random: Random, old: Sequence[bytes]) -> bytes:
    """A frame with a vote, changed under way: the signature stays, or another's takes its place. Or an old
    frame comes instead."""
    if old and random.random() < 0.3:
        return random.choice(old)
    carried = decode_frame(frame, limit_bytes=len(frame))
    assert isinstance(carried, Consensus), "votes travel alone"
    message: Message = decode(carried.message, Message, limit_bytes=len(frame))  # type: ignore[arg-type]
    if isinstance(message, Certified):
        height = message.certificate.height + random.choice((-1, 1))
        certificate = structs.replace(message.certificate, height=height)
        return _framed(structs.replace(message, certificate=certificate))
    chance = random.random()
    if chance < 0.5:
        return _framed(off_by_one(message, random))
    if chance < 0.8:
        return _framed(structs.replace(message, replica=message.replica + random.choice((-1, 1))))
    return _framed(of_another_epoch(message, random))


def _framed(message: Message) -> bytes:
    return encode_frame(Consensus(encode(message)))
