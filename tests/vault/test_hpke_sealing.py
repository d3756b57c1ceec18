import pytest

from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey
from chainnode.vault.parts import PART_BYTES, open_part, part_info, parts_digest, seal_part
from chainnode.vault.sealing import MAX_PLAINTEXT_BYTES, OVERHEAD_BYTES, open_sealed, seal

KEY = KemKey(bytes(32))
CHAIN, REQUEST, OBJECT = b"c" * 32, b"r" * 16, b"o" * 16
SECRET = bytes(range(64))


def rule_of(action: object) -> str:
    with pytest.raises(SealingError) as caught:
        action()  # type: ignore[operator]
    return caught.value.rule


@pytest.mark.parametrize("length", [0, 1, 64, MAX_PLAINTEXT_BYTES])
def test_what_is_sealed_opens_again(length: int) -> None:
    sealed = seal(KEY.public, b"x" * length, b"info")
    assert len(sealed) == length + OVERHEAD_BYTES and sealed[0] == 1
    assert open_sealed(KEY, sealed, b"info") == b"x" * length


def test_a_blob_opens_for_its_key_and_purpose_alone() -> None:
    sealed = seal(KEY.public, SECRET, b"info")
    assert rule_of(lambda: open_sealed(KemKey.generate(), sealed, b"info")) == "not-for-this-key"
    assert rule_of(lambda: open_sealed(KEY, sealed, b"another")) == "not-for-this-key"


def test_a_blob_with_any_byte_altered_does_not_open() -> None:
    sealed = seal(KEY.public, SECRET, b"info")
    for position in range(1, len(sealed), 61):
        altered = sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]
        assert rule_of(lambda altered=altered: open_sealed(KEY, altered, b"info")) == "not-for-this-key"


def test_a_blob_with_an_encapsulation_of_small_order_does_not_open() -> None:
    sealed = seal(KEY.public, SECRET, b"info")
    altered = sealed[: 1 + 1_088] + bytes(32) + sealed[1 + 1_120 :]
    assert rule_of(lambda: open_sealed(KEY, altered, b"info")) == "not-for-this-key"


@pytest.mark.parametrize(
    ("blob", "rule"),
    [
        (b"", "malformed"),
        (bytes([1]) * (OVERHEAD_BYTES - 1), "malformed"),
        (bytes(OVERHEAD_BYTES), "suite-unknown"),
        (bytes([2]) * OVERHEAD_BYTES, "suite-unknown"),
        (bytes([1]) * (OVERHEAD_BYTES + MAX_PLAINTEXT_BYTES + 1), "too-large"),
    ],
    ids=["empty", "short", "suite-0", "suite-2", "too-large"],
)
def test_bytes_that_are_no_blob_are_refused(blob: bytes, rule: str) -> None:
    assert rule_of(lambda: open_sealed(KEY, blob, b"info")) == rule


def test_a_part_opens_for_its_chain_request_object_and_role_alone() -> None:
    part = seal_part(KEY.public, CHAIN, REQUEST, OBJECT, "provider", SECRET)
    assert len(part) == PART_BYTES
    assert open_part(KEY, part, CHAIN, REQUEST, OBJECT, "provider") == SECRET
    for wrong in (
        (b"d" * 32, REQUEST, OBJECT, "provider"),
        (CHAIN, b"s" * 16, OBJECT, "provider"),
        (CHAIN, REQUEST, b"p" * 16, "provider"),
        (CHAIN, REQUEST, OBJECT, "patient"),
    ):
        assert rule_of(lambda wrong=wrong: open_part(KEY, part, *wrong)) == "not-for-this-key"


def test_a_part_of_another_length_is_refused() -> None:
    part = seal(KEY.public, SECRET[:32], part_info(CHAIN, REQUEST, OBJECT, "patient"))
    assert rule_of(lambda: open_part(KEY, part, CHAIN, REQUEST, OBJECT, "patient")) == "malformed"


def test_the_digest_of_parts_does_not_depend_on_their_order() -> None:
    parts = [(b"a" * 16, b"one"), (b"b" * 16, b"two")]
    assert parts_digest(parts) == parts_digest(reversed(parts))
    assert parts_digest(parts) != parts_digest(parts[:1])
    assert parts_digest(parts) != parts_digest([(b"a" * 16, b"two"), (b"b" * 16, b"one")])


def test_two_parts_for_one_object_are_refused() -> None:
    assert rule_of(lambda: parts_digest([(OBJECT, b"one"), (OBJECT, b"two")])) == "duplicate"
