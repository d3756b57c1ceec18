"""Keys, a signer without curves, members and batches for the tests of the core."""

from collections.abc import Callable
from hashlib import sha256

from consensus.types import BatchRef, ReplicaId, ReplicaSet, Voter

CHAIN = b"\x07" * 32
START_MS = 10_000
WALL_MS = 1_700_000_000_000


def key_of(replica: ReplicaId) -> bytes:
    return sha256(b"key %d" % replica).digest()


def fake_signature(key: bytes, signed: bytes) -> bytes:
    return sha256(key + signed).digest() * 2


def fake_verify(key: bytes, signed: bytes, signature: bytes) -> bool:
    return fake_signature(key, signed) == signature


def signer(replica: ReplicaId) -> Callable[[bytes], bytes]:
    key = key_of(replica)
    return lambda signed: fake_signature(key, signed)


def members(n: int, epoch: int = 0, first: int = 0) -> ReplicaSet:
    return ReplicaSet(epoch, tuple(Voter(i, key_of(i)) for i in range(first, first + n)))


def batch(number: int, *, origin: int = 0, size_bytes: int = 1_000, expiry_height: int = 100_000) -> BatchRef:
    return BatchRef(sha256(b"batch %d" % number).digest(), origin, number, size_bytes, expiry_height)
