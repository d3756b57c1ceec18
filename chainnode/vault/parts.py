"""The parts of a release: each half of an object's secret, sealed to the requesting project's key."""

from collections.abc import Iterable

from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey
from chainnode.vault.sealing import OVERHEAD_BYTES, open_sealed, seal
from consensus.codec import encode
from consensus.domain import digest

ROLE_PROVIDER, ROLE_PATIENT = "provider", "patient"
SECRET_BYTES = 64
"""A half: S (32 bytes), then the salt of its commitment (32)."""
PART_BYTES = OVERHEAD_BYTES + SECRET_BYTES


def part_info(chain_id: bytes, request_id: bytes, object_id: bytes, role: str) -> bytes:
    """HPKE's info: a part fits one object of one request in one role on one chain."""
    assert role in (ROLE_PROVIDER, ROLE_PATIENT)
    return encode((f"{role}-part", chain_id, request_id, object_id))


def seal_part(
    project_sealing_key: bytes, chain_id: bytes, request_id: bytes, object_id: bytes, role: str, secret: bytes
) -> bytes:
    """Seal a half (64 bytes) to the project. Raises SealingError `key-invalid`."""
    assert len(secret) == SECRET_BYTES
    return seal(project_sealing_key, secret, part_info(chain_id, request_id, object_id, role))


def open_part(
    project: KemKey, sealed: bytes, chain_id: bytes, request_id: bytes, object_id: bytes, role: str
) -> bytes:
    """The half (64 bytes). Raises SealingError as `open_sealed` does, or `malformed`."""
    secret = open_sealed(project, sealed, part_info(chain_id, request_id, object_id, role))
    if len(secret) != SECRET_BYTES:
        raise SealingError("malformed", f"a half has {SECRET_BYTES} bytes, this one {len(secret)}")
    return secret


def parts_digest(parts: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Digest of (object id, sealed part) pairs in any order; what Grant and ShareReceipt carry.

    Raises SealingError `duplicate` where an object stands twice.
    """
    ordered = sorted(parts)
    if len({object_id for object_id, _ in ordered}) != len(ordered):
        raise SealingError("duplicate", "two parts for one object")
    return digest("parts", encode(ordered))
