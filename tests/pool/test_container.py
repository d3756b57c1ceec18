from io import BytesIO
from itertools import permutations

import pytest
from crypt4gh import header
from crypt4gh.lib import decrypt
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from msgspec.structs import replace
from nacl.public import PrivateKey
from objects import CHAIN, CLASS_KEY, EPOCH, MEMBER, POLICY, STUDY, Sealed, make

from chainnode.ledger.payloads import ObjectPointer, UsePolicy
from chainnode.pool import container
from chainnode.pool.container import open_hospital_wrap, open_object, seal_object, segments_root
from chainnode.pool.errors import ObjectError
from chainnode.pool.halves import commit, derive_dek, hospital_wrap_info, patient_wrap_label, policy_digest
from chainnode.pool.padding import padme
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey
from chainnode.vault.sealing import seal
from genesis.errors import OperatorError

SEGMENT = 12 + 65_536 + 16
PLAINTEXT = bytes(range(256)) * 1_024
FOUR_SEGMENTS = make(PLAINTEXT)
OTHER = make(PLAINTEXT[::-1], b"p" * 16)


def rule_of(sealed: Sealed, ciphertext: bytes | None = None, **changed: object) -> str:
    """The rule by which opening is refused, with some things not as they were sealed."""
    pointer = changed.pop("pointer", sealed.pointer)
    assert isinstance(pointer, ObjectPointer)
    halves = (
        changed.pop("half_hospital", sealed.half_hospital),
        changed.pop("half_patient", sealed.half_patient),
    )
    with pytest.raises(ObjectError) as caught:
        open_object(
            sealed.object.ciphertext if ciphertext is None else ciphertext,
            pointer,
            changed.pop("chain_id", CHAIN),  # type: ignore[arg-type]
            *halves,  # type: ignore[arg-type]
        )
    assert not changed
    return caught.value.rule


def segments(sealed: Sealed) -> list[bytes]:
    body = sealed.object.ciphertext
    return [body[start : start + SEGMENT] for start in range(0, len(body), SEGMENT)]


def anchored(sealed: Sealed, ciphertext: bytes) -> ObjectPointer:
    """A pointer that vouches for other bytes, as if the provider had anchored them."""
    return replace(sealed.pointer, root=segments_root(ciphertext), length_bytes=len(ciphertext))


@pytest.mark.parametrize("length", [0, 1, 100, 65_527, 65_528, 65_529, 200_000])
def test_an_object_opens_with_both_halves(length: int) -> None:
    sealed = make(PLAINTEXT[:length])
    opened = open_object(
        sealed.object.ciphertext, sealed.pointer, CHAIN, sealed.half_hospital, sealed.half_patient
    )
    assert opened == PLAINTEXT[:length]


def test_the_length_tells_what_padme_tells_and_no_more() -> None:
    assert make(bytes(1_000)).object.length_bytes == make(bytes(1_016)).object.length_bytes
    padded = padme(8 + len(PLAINTEXT))
    assert FOUR_SEGMENTS.object.length_bytes == padded + 28 * (-(-padded // 65_536))


def test_the_body_is_a_crypt4gh_body_under_the_derived_key() -> None:
    sealed = FOUR_SEGMENTS
    dek = derive_dek(sealed.half_hospital, sealed.half_patient, CHAIN, sealed.object.object_id, EPOCH)
    cipher, parts = ChaCha20Poly1305(dek), segments(sealed)
    plain = b"".join(cipher.decrypt(part[:12], part[12:], None) for part in parts)
    assert all(len(part) == SEGMENT for part in parts[:-1])
    assert plain[:8] == len(PLAINTEXT).to_bytes(8, "big") and plain[8 : 8 + len(PLAINTEXT)] == PLAINTEXT


def test_the_crypt4gh_package_reads_the_body_under_a_header_for_a_researchers_key() -> None:
    sealed, researcher, writer = FOUR_SEGMENTS, PrivateKey.generate(), PrivateKey.generate()
    dek = derive_dek(sealed.half_hospital, sealed.half_patient, CHAIN, sealed.object.object_id, EPOCH)
    keys = [(0, bytes(writer), bytes(researcher.public_key))]
    packets = header.encrypt(header.make_packet_data_enc(0, dek), keys)
    file, plain = BytesIO(header.serialize(packets) + sealed.object.ciphertext), BytesIO()
    decrypt([(0, bytes(researcher), None)], file, plain)
    assert plain.getvalue()[8 : 8 + len(PLAINTEXT)] == PLAINTEXT


def test_nonces_do_not_repeat() -> None:
    nonces = {part[:12] for part in segments(FOUR_SEGMENTS) + segments(OTHER)}
    assert len(nonces) == len(segments(FOUR_SEGMENTS)) + len(segments(OTHER))


def test_segments_in_another_order_are_refused() -> None:
    parts = segments(FOUR_SEGMENTS)
    for first, second in permutations(range(4), 2):
        swapped = list(parts)
        swapped[first], swapped[second] = parts[second], parts[first]
        assert rule_of(FOUR_SEGMENTS, b"".join(swapped)) == "root-mismatch"


def test_a_missing_or_doubled_segment_is_refused() -> None:
    parts = segments(FOUR_SEGMENTS)
    for index in range(len(parts)):
        assert rule_of(FOUR_SEGMENTS, b"".join(parts[:index] + parts[index + 1 :])) == "length-mismatch"
        assert rule_of(FOUR_SEGMENTS, b"".join(parts[: index + 1] + parts[index:])) == "length-mismatch"
    assert rule_of(FOUR_SEGMENTS, b"".join([parts[0], parts[0], *parts[2:]])) == "root-mismatch"


@pytest.mark.parametrize("length", [0, 1, 27, 28, SEGMENT - 1, SEGMENT, 2 * SEGMENT])
def test_a_truncated_ciphertext_is_refused(length: int) -> None:
    assert rule_of(FOUR_SEGMENTS, FOUR_SEGMENTS.object.ciphertext[:length]) == "length-mismatch"


def test_a_longer_ciphertext_is_refused() -> None:
    assert rule_of(FOUR_SEGMENTS, FOUR_SEGMENTS.object.ciphertext + b"\x00") == "length-mismatch"


def test_any_flipped_byte_is_refused() -> None:
    body = FOUR_SEGMENTS.object.ciphertext
    for position in (0, 11, 12, SEGMENT - 1, SEGMENT, len(body) - 1):
        flipped = body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
        assert rule_of(FOUR_SEGMENTS, flipped) == "root-mismatch"


def test_another_objects_ciphertext_is_refused() -> None:
    assert OTHER.object.length_bytes == FOUR_SEGMENTS.object.length_bytes
    assert rule_of(FOUR_SEGMENTS, OTHER.object.ciphertext) == "root-mismatch"


def test_a_segment_of_another_object_fails_even_where_it_is_anchored() -> None:
    mixed = b"".join(segments(FOUR_SEGMENTS)[:3] + segments(OTHER)[3:])
    assert rule_of(FOUR_SEGMENTS, mixed, pointer=anchored(FOUR_SEGMENTS, mixed)) == "segment-altered"


def test_swapped_segments_that_are_anchored_so_do_not_pass_the_length_inside() -> None:
    parts = segments(FOUR_SEGMENTS)
    swapped = b"".join([parts[1], parts[0], *parts[2:]])
    assert rule_of(FOUR_SEGMENTS, swapped, pointer=anchored(FOUR_SEGMENTS, swapped)) == "padding-invalid"


def test_a_rest_too_short_for_a_segment_is_refused() -> None:
    short = FOUR_SEGMENTS.object.ciphertext[: SEGMENT + 5]
    assert rule_of(FOUR_SEGMENTS, short, pointer=anchored(FOUR_SEGMENTS, short)) == "segment-altered"


def test_a_half_that_is_not_the_committed_one_is_named() -> None:
    sealed = FOUR_SEGMENTS
    for wrong in (OTHER.half_hospital, sealed.half_patient, b"", sealed.half_hospital[:63], bytes(64)):
        assert rule_of(sealed, half_hospital=wrong) == "hospital-half-mismatch"
    for wrong in (OTHER.half_patient, sealed.half_hospital, b"", sealed.half_patient + b"\x00", bytes(64)):
        assert rule_of(sealed, half_patient=wrong) == "patient-half-mismatch"


def test_a_half_with_another_salt_is_refused() -> None:
    salted = FOUR_SEGMENTS.half_patient[:32] + bytes(32)
    assert rule_of(FOUR_SEGMENTS, half_patient=salted) == "patient-half-mismatch"


@pytest.mark.parametrize(
    ("field", "rule"),
    [
        ("commitment_hospital", "hospital-half-mismatch"),
        ("commitment_patient", "patient-half-mismatch"),
        ("commitment_dek", "key-mismatch"),
        ("object_id", "key-mismatch"),
        ("root", "root-mismatch"),
    ],
)
def test_a_pointer_with_a_field_of_another_object_is_refused(field: str, rule: str) -> None:
    pointer = replace(FOUR_SEGMENTS.pointer, **{field: getattr(OTHER.pointer, field)})
    assert rule_of(FOUR_SEGMENTS, pointer=pointer) == rule


def test_swapped_commitments_are_refused() -> None:
    pointer = FOUR_SEGMENTS.pointer
    swapped = replace(
        pointer,
        commitment_hospital=pointer.commitment_patient,
        commitment_patient=pointer.commitment_hospital,
    )
    assert rule_of(FOUR_SEGMENTS, pointer=swapped) == "hospital-half-mismatch"
    halves = {"half_hospital": FOUR_SEGMENTS.half_patient, "half_patient": FOUR_SEGMENTS.half_hospital}
    assert rule_of(FOUR_SEGMENTS, pointer=swapped, **halves) == "hospital-half-mismatch"


def test_another_epoch_or_chain_gives_another_key() -> None:
    later = replace(FOUR_SEGMENTS.pointer, epoch=EPOCH + 1)
    assert rule_of(FOUR_SEGMENTS, pointer=later) == "key-mismatch"
    assert rule_of(FOUR_SEGMENTS, chain_id=b"d" * 32) == "key-mismatch"


def test_both_halves_matter_to_the_key() -> None:
    a, b = bytes(64), bytes([1]) * 64
    keys = {derive_dek(h, p, CHAIN, b"o" * 16, 0) for h in (a, b) for p in (a, b)}
    assert len(keys) == 4
    assert commit(a, b, CHAIN, b"o" * 16, 0) != commit(a, b, CHAIN, b"o" * 16, 1)


def test_an_anchored_length_beyond_the_limit_is_refused_unread() -> None:
    pointer = replace(FOUR_SEGMENTS.pointer, length_bytes=container.MAX_CIPHERTEXT_BYTES + 1)
    assert rule_of(FOUR_SEGMENTS, pointer=pointer) == "object-too-large"


def test_a_plaintext_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert container.MAX_OBJECT_BYTES == 64 << 20
    monkeypatch.setattr(container, "MAX_OBJECT_BYTES", 1_000)
    make(bytes(1_000))
    with pytest.raises(OperatorError) as caught:
        make(bytes(1_001))
    assert caught.value.code.code == "POL-04"


@pytest.mark.parametrize(
    "wrong",
    [
        {"chain_id": b"d" * 32},
        {"object_id": b"p" * 16},
        {"member": MEMBER + 1},
        {"policy_digest": policy_digest(UsePolicy("NRES"))},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_each_wrap_is_bound_to_chain_object_member_and_policy(wrong: dict[str, object]) -> None:
    context = {"chain_id": CHAIN, "object_id": b"o" * 16, "member": MEMBER, "policy_digest": POLICY} | wrong
    with pytest.raises(SealingError) as caught:
        open_hospital_wrap(STUDY, FOUR_SEGMENTS.object.w_h, **context)  # type: ignore[arg-type]
    assert caught.value.rule == "not-for-this-key"
    with pytest.raises(SealingError) as caught:
        CLASS_KEY.open_half(FOUR_SEGMENTS.object.w_p, patient_wrap_label(*context.values()))  # type: ignore[arg-type]
    assert caught.value.rule == "ciphertext-invalid"


def test_another_studys_key_does_not_open_the_hospitals_half() -> None:
    context = {"chain_id": CHAIN, "object_id": b"o" * 16, "member": MEMBER, "policy_digest": POLICY}
    with pytest.raises(SealingError) as caught:
        open_hospital_wrap(KemKey.generate(), FOUR_SEGMENTS.object.w_h, **context)  # type: ignore[arg-type]
    assert caught.value.rule == "not-for-this-key"


def test_a_hospitals_half_of_another_length_is_refused() -> None:
    short = seal(STUDY.public, bytes(32), hospital_wrap_info(CHAIN, b"o" * 16, MEMBER, POLICY))
    with pytest.raises(SealingError) as caught:
        open_hospital_wrap(
            STUDY, short, chain_id=CHAIN, object_id=b"o" * 16, member=MEMBER, policy_digest=POLICY
        )
    assert caught.value.rule == "malformed"


@pytest.mark.parametrize("bad", [{"study_public": bytes(1_216)}, {"class_point": bytes(32)}])
def test_sealing_to_a_bad_public_key_is_refused(bad: dict[str, bytes]) -> None:
    keys = {"study_public": STUDY.public, "class_point": CLASS_KEY.point} | bad
    with pytest.raises(SealingError):
        seal_object(
            b"x", chain_id=CHAIN, object_id=b"o" * 16, member=0, policy_digest=POLICY, epoch=0, **keys
        )
