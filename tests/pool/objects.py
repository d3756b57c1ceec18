"""An object as intake seals it, and its pointer as the chain holds it."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import shake_256

from chainnode.ledger.payloads import ObjectPointer, UsePolicy
from chainnode.pool.container import SealedObject, open_hospital_wrap, seal_object
from chainnode.pool.halves import patient_wrap_label, policy_digest
from chainnode.pool.recipients import decode_recipients, wrap_for
from chainnode.vault.keys import KemKey
from chainnode.vault.wallet import ClassSecret, Wallet

CHAIN = b"c" * 32
MEMBER = 2
EPOCH = 0
STUDY = KemKey(bytes(range(32)))
CLASS_KEY: ClassSecret = Wallet(bytes(range(32))).class_key(CHAIN, MEMBER, "conditions", EPOCH)
POLICY = policy_digest(UsePolicy("GRU", ("IRB",)))


def fixed_random(seed: bytes) -> Callable[[int], bytes]:
    """Bytes of SHAKE256 over the seed and a counter."""
    calls = iter(range(1_000_000))
    return lambda length: shake_256(seed + next(calls).to_bytes(4, "big")).digest(length)


@dataclass(frozen=True)
class Sealed:
    object: SealedObject
    pointer: ObjectPointer
    half_hospital: bytes
    half_patient: bytes


def pointer_of(sealed: SealedObject) -> ObjectPointer:
    return ObjectPointer(
        object_id=sealed.object_id,
        handle=b"h" * 16,
        data_class="conditions",
        level=3,
        epoch=EPOCH,
        root=sealed.root,
        length_bytes=sealed.length_bytes,
        commitment_hospital=sealed.commitments.hospital,
        commitment_patient=sealed.commitments.patient,
        commitment_dek=sealed.commitments.dek,
        locator=b"",
    )


def make(plaintext: bytes, object_id: bytes = b"o" * 16) -> Sealed:
    """Seal, then open both wraps as their holders do."""
    sealed = seal_object(
        plaintext,
        chain_id=CHAIN,
        object_id=object_id,
        member=MEMBER,
        policy_digest=POLICY,
        study_public=STUDY.public,
        class_point=CLASS_KEY.point,
        epoch=EPOCH,
        random=fixed_random(object_id),
    )
    half_hospital = open_hospital_wrap(
        STUDY, sealed.w_h, chain_id=CHAIN, object_id=object_id, member=MEMBER, policy_digest=POLICY
    )
    wrap = wrap_for(decode_recipients(sealed.recipients), CLASS_KEY.point)
    label = patient_wrap_label(CHAIN, object_id, MEMBER, POLICY)
    return Sealed(sealed, pointer_of(sealed), half_hospital, CLASS_KEY.open_half(wrap, label))
