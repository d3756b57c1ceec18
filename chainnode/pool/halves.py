"""The two halves of an object's secret: commitments, the key they give, and the contexts they are bound to.

A half is S (32 random bytes) and the salt of its commitment (32). Neither half says anything of
the data encryption key without the other.
"""

from dataclasses import dataclass
from hmac import compare_digest

from chainnode.ledger.payloads import UsePolicy
from chainnode.pool.errors import ObjectError
from chainnode.vault.derive import hkdf
from chainnode.vault.parts import SECRET_BYTES
from consensus.codec import encode
from consensus.domain import SUITE, digest

S_BYTES = 32


@dataclass(frozen=True, slots=True)
class Commitments:
    """What stands on chain of an object's secrets, 32 bytes each."""

    hospital: bytes
    patient: bytes
    dek: bytes


def policy_digest(policy: UsePolicy) -> bytes:
    """Binds both wraps to the policy that an object was taken in under."""
    return digest("policy", encode(policy))


def hospital_wrap_info(chain_id: bytes, object_id: bytes, member: int, policy: bytes) -> bytes:
    """HPKE's info of W_h; `policy` is a policy digest."""
    return encode(("W_h", chain_id, object_id, member, policy))


def patient_wrap_label(chain_id: bytes, object_id: bytes, member: int, policy: bytes) -> bytes:
    """TDH2's label of W_p: the wrap cannot be anchored again under a laxer policy."""
    return encode(("W_p", chain_id, object_id, member, policy))


def _commit(role: str, half: bytes) -> bytes:
    assert len(half) == SECRET_BYTES
    return digest(f"commit/{role}", half[S_BYTES:], half[:S_BYTES])


def derive_dek(
    half_hospital: bytes, half_patient: bytes, chain_id: bytes, object_id: bytes, epoch: int
) -> bytes:
    """The key (32 bytes) of the object's segments: HKDF-SHA256 of S_h || S_p."""
    secret = half_hospital[:S_BYTES] + half_patient[:S_BYTES]
    return hkdf(secret, encode(("dek", chain_id, object_id, SUITE, epoch)))


def commit(
    half_hospital: bytes, half_patient: bytes, chain_id: bytes, object_id: bytes, epoch: int
) -> Commitments:
    """ChaCha20-Poly1305 does not commit to its key, so these commitments do."""
    dek = derive_dek(half_hospital, half_patient, chain_id, object_id, epoch)
    secret = half_hospital[:S_BYTES] + half_patient[:S_BYTES]
    salt = hkdf(secret, encode(("dek-salt", chain_id, object_id, SUITE, epoch)))
    return Commitments(
        _commit("hospital", half_hospital), _commit("patient", half_patient), digest("commit/dek", salt, dek)
    )


def require_half(role: str, half: bytes, commitment: bytes) -> None:
    """Raises ObjectError `hospital-half-mismatch` or `patient-half-mismatch`."""
    assert role in ("hospital", "patient")
    if len(half) != SECRET_BYTES or not compare_digest(_commit(role, half), commitment):
        raise ObjectError(f"{role}-half-mismatch")
