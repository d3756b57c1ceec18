"""Encrypted objects against the bare AEAD over the same segments."""

from collections.abc import Iterator
from pathlib import Path
from secrets import token_bytes

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from bench.suite import Group, Sizes, Suite
from bench.timing import Case
from bench.world import CHAIN_ID, MEMBER
from chainnode.ledger.payloads import ObjectPointer, UsePolicy
from chainnode.pool.container import (
    NONCE_BYTES,
    SEGMENT_BYTES,
    SealedObject,
    open_hospital_wrap,
    open_object,
    seal_object,
)
from chainnode.pool.halves import patient_wrap_label, policy_digest
from chainnode.vault.keys import KemKey
from chainnode.vault.wallet import Wallet

OBJECT_ID, EPOCH, DATA_CLASS = bytes(16), 0, "conditions"
POLICY = policy_digest(UsePolicy("GRU"))
MB = 1_000_000


def _pointer(sealed: SealedObject) -> ObjectPointer:
    return ObjectPointer(
        object_id=OBJECT_ID,
        handle=bytes(16),
        data_class=DATA_CLASS,
        level=3,
        epoch=EPOCH,
        root=sealed.root,
        length_bytes=sealed.length_bytes,
        commitment_hospital=sealed.commitments.hospital,
        commitment_patient=sealed.commitments.patient,
        commitment_dek=sealed.commitments.dek,
        locator=b"",
    )


def build(sizes: Sizes, _: Path) -> Iterator[Group]:
    megabytes = sizes.object_mb
    plaintext = token_bytes(megabytes * MB)
    study, class_key = KemKey.generate(), Wallet(bytes(32)).class_key(CHAIN_ID, MEMBER, DATA_CLASS, EPOCH)

    def seal_one(_: object) -> SealedObject:
        return seal_object(
            plaintext,
            chain_id=CHAIN_ID,
            object_id=OBJECT_ID,
            member=MEMBER,
            policy_digest=POLICY,
            study_public=study.public,
            class_point=class_key.point,
            epoch=EPOCH,
        )

    sealed = seal_one(None)
    pointer = _pointer(sealed)
    hospital = open_hospital_wrap(
        study, sealed.w_h, chain_id=CHAIN_ID, object_id=OBJECT_ID, member=MEMBER, policy_digest=POLICY
    )
    patient = class_key.open_half(sealed.w_p, patient_wrap_label(CHAIN_ID, OBJECT_ID, MEMBER, POLICY))
    assert open_object(sealed.ciphertext, pointer, CHAIN_ID, hospital, patient) == plaintext

    cipher, nonce = ChaCha20Poly1305(bytes(32)), bytes(NONCE_BYTES)
    segments = [plaintext[at : at + SEGMENT_BYTES] for at in range(0, len(plaintext), SEGMENT_BYTES)]
    encrypted = [cipher.encrypt(nonce, segment, None) for segment in segments]

    def encrypt_raw(_: object) -> None:
        for segment in segments:
            cipher.encrypt(nonce, segment, None)

    def decrypt_raw(_: object) -> None:
        for segment in encrypted:
            cipher.decrypt(nonce, segment, None)

    yield Group(
        "object",
        f"an object of {megabytes} MB in segments of {SEGMENT_BYTES // 1024} KiB",
        [
            Case("encrypt, raw AEAD", "MB", megabytes, encrypt_raw),
            Case("seal_object", "MB", megabytes, seal_one, floor="encrypt, raw AEAD"),
            Case("decrypt, raw AEAD", "MB", megabytes, decrypt_raw),
            Case(
                "open_object",
                "MB",
                megabytes,
                lambda _: open_object(sealed.ciphertext, pointer, CHAIN_ID, hospital, patient),
                floor="decrypt, raw AEAD",
            ),
        ],
    )


SUITE = Suite("objects", "Encrypted objects", build)
