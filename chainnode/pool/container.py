"""The container of an object: padded plaintext in encrypted segments, and the two wrapped halves.

The body is that of GA4GH Crypt4GH 1.0 (section 3.4: segments of 64 KiB, each a 12-byte nonce, the
ChaCha20-Poly1305 ciphertext and its tag), so that a released object can be exported as a .c4gh file
whose header carries the key and an edit list that skips length and padding. Crypt4GH itself takes
swapped or missing segments: their Merkle root and the exact length are anchored and checked here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from secrets import token_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from chainnode.ledger.payloads import ObjectPointer
from chainnode.pool.errors import OBJECT_TOO_LARGE, ObjectError
from chainnode.pool.halves import (
    Commitments,
    commit,
    derive_dek,
    hospital_wrap_info,
    patient_wrap_label,
    require_half,
)
from chainnode.pool.padding import LENGTH_BYTES, pad, padme, unpad
from chainnode.pool.recipients import Recipient, class_key_id, encode_recipients
from chainnode.vault import tdh2
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey
from chainnode.vault.parts import SECRET_BYTES
from chainnode.vault.sealing import open_sealed, seal
from consensus.domain import SUITE
from consensus.merkle import merkle_root
from genesis.errors import OperatorError

SEGMENT_BYTES = 65_536
NONCE_BYTES = 12
TAG_BYTES = 16
_SEALED_SEGMENT_BYTES = NONCE_BYTES + SEGMENT_BYTES + TAG_BYTES
MAX_OBJECT_BYTES = 67_108_864
"""64 MiB of plaintext: an object is held in memory whole."""


def _ciphertext_length(padded_bytes: int) -> int:
    segments = (padded_bytes + SEGMENT_BYTES - 1) // SEGMENT_BYTES
    return padded_bytes + segments * (NONCE_BYTES + TAG_BYTES)


MAX_CIPHERTEXT_BYTES = _ciphertext_length(padme(LENGTH_BYTES + MAX_OBJECT_BYTES))


@dataclass(frozen=True, slots=True)
class SealedObject:
    """What intake makes of a plaintext. `root`, `length_bytes` and `commitments` go on chain,
    `ciphertext` and `recipients` into the pool, `w_h` into the hospital's store of wraps."""

    object_id: bytes
    ciphertext: bytes
    root: bytes
    length_bytes: int
    commitments: Commitments
    w_h: bytes
    w_p: bytes
    recipients: bytes


def _segments(ciphertext: bytes) -> Iterator[bytes]:
    for start in range(0, len(ciphertext), _SEALED_SEGMENT_BYTES):
        yield ciphertext[start : start + _SEALED_SEGMENT_BYTES]


def segments_root(ciphertext: bytes) -> bytes:
    """The Merkle root over the sealed segments, in their order."""
    return merkle_root("segment", list(_segments(ciphertext)))


def _encrypt_body(padded: bytes, dek: bytes, random: Callable[[int], bytes]) -> bytes:
    cipher, sealed = ChaCha20Poly1305(dek), []
    for start in range(0, len(padded), SEGMENT_BYTES):
        nonce = random(NONCE_BYTES)
        sealed.append(nonce + cipher.encrypt(nonce, padded[start : start + SEGMENT_BYTES], None))
    return b"".join(sealed)


def _decrypt_body(ciphertext: bytes, dek: bytes) -> bytes:
    cipher = ChaCha20Poly1305(dek)
    try:
        return b"".join(
            cipher.decrypt(segment[:NONCE_BYTES], segment[NONCE_BYTES:], None)
            for segment in _segments(ciphertext)
        )
    # ValueError: a last segment shorter than nonce and tag.
    except (InvalidTag, ValueError):
        raise ObjectError("segment-altered") from None


def seal_object(
    plaintext: bytes,
    *,
    chain_id: bytes,
    object_id: bytes,
    member: int,
    policy_digest: bytes,
    study_public: bytes,
    class_point: bytes,
    epoch: int,
    random: Callable[[int], bytes] = token_bytes,
) -> SealedObject:
    """Encrypt under a fresh key and wrap its halves: one to the study, one to the patient's class key.

    `epoch` is that of the class key. Raises OperatorError POL-04 above 64 MiB, SealingError where a
    public key is not one.
    """
    if len(plaintext) > MAX_OBJECT_BYTES:
        raise OperatorError(
            OBJECT_TOO_LARGE,
            f"an object of {len(plaintext)} bytes is larger than the {MAX_OBJECT_BYTES} that the pool takes",
            unchanged="Nothing was stored or anchored of it.",
            next_step="Split the input so that one subject's class stays below 64 MiB for each intake.",
        )
    half_h, half_p = random(SECRET_BYTES), random(SECRET_BYTES)
    label = patient_wrap_label(chain_id, object_id, member, policy_digest)
    info = hospital_wrap_info(chain_id, object_id, member, policy_digest)
    w_p = tdh2.encode_ciphertext(tdh2.encrypt(class_point, half_p, label, random))
    w_h = seal(study_public, half_h, info)
    dek = derive_dek(half_h, half_p, chain_id, object_id, epoch)
    ciphertext = _encrypt_body(pad(plaintext), dek, random)
    return SealedObject(
        object_id=object_id,
        ciphertext=ciphertext,
        root=segments_root(ciphertext),
        length_bytes=len(ciphertext),
        commitments=commit(half_h, half_p, chain_id, object_id, epoch),
        w_h=w_h,
        w_p=w_p,
        recipients=encode_recipients([Recipient(SUITE, class_key_id(class_point), w_p)]),
    )


def open_hospital_wrap(
    study: KemKey, w_h: bytes, *, chain_id: bytes, object_id: bytes, member: int, policy_digest: bytes
) -> bytes:
    """The hospital's half (64 bytes) out of W_h. Raises SealingError."""
    half = open_sealed(study, w_h, hospital_wrap_info(chain_id, object_id, member, policy_digest))
    if len(half) != SECRET_BYTES:
        raise SealingError("malformed", f"a half has {SECRET_BYTES} bytes, this one {len(half)}")
    return half


def check_ciphertext(ciphertext: bytes, *, root: bytes, length_bytes: int) -> None:
    """Whether these are the anchored bytes. Raises ObjectError: `object-too-large`,
    `length-mismatch`, `root-mismatch`."""
    if length_bytes > MAX_CIPHERTEXT_BYTES:
        raise ObjectError("object-too-large", f"{length_bytes} bytes are anchored")
    if len(ciphertext) != length_bytes:
        raise ObjectError("length-mismatch", f"{len(ciphertext)} bytes, {length_bytes} are anchored")
    if segments_root(ciphertext) != root:
        raise ObjectError("root-mismatch")


def open_object(
    ciphertext: bytes, pointer: ObjectPointer, chain_id: bytes, half_hospital: bytes, half_patient: bytes
) -> bytes:
    """The plaintext, if everything is as anchored in `pointer`.

    Checked in this order, each with an ObjectError of its own: length and root of the ciphertext,
    each half's commitment, the key's, the segments' tags, the padding.
    """
    check_ciphertext(ciphertext, root=pointer.root, length_bytes=pointer.length_bytes)
    require_half("hospital", half_hospital, pointer.commitment_hospital)
    require_half("patient", half_patient, pointer.commitment_patient)
    context = (half_hospital, half_patient, chain_id, pointer.object_id, pointer.epoch)
    if commit(*context).dek != pointer.commitment_dek:
        raise ObjectError("key-mismatch")
    plaintext = unpad(_decrypt_body(ciphertext, derive_dek(*context)))
    if plaintext is None:
        raise ObjectError("padding-invalid")
    return plaintext
