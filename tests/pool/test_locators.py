import pytest
from objects import CHAIN, MEMBER, STUDY

from chainnode.pool.errors import ObjectError
from chainnode.pool.locators import MAX_LOCATOR_BYTES, open_locators, seal_locators
from chainnode.pool.recipients import (
    MAX_RECIPIENTS,
    Recipient,
    class_key_id,
    decode_recipients,
    encode_recipients,
    wrap_for,
)
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey
from chainnode.vault.sealing import seal
from consensus.codec import encode

IDS = [bytes([number]) * 16 for number in range(5)]
ENTRIES = [(object_id, b"drs://node/" + object_id.hex().encode()) for object_id in IDS]
PLACE = {"chain_id": CHAIN, "member": MEMBER, "study": "asthma"}
BATCH = seal_locators(ENTRIES, study_public=STUDY.public, **PLACE)  # type: ignore[arg-type]
SEALED = list(zip(IDS, BATCH.locators, strict=True))


def test_locators_open_for_the_study_in_their_order() -> None:
    opened = open_locators(SEALED, BATCH.sealed_key, study_key=STUDY, **PLACE)  # type: ignore[arg-type]
    assert list(zip(IDS, opened, strict=True)) == ENTRIES


def test_some_locators_of_a_batch_open_alone() -> None:
    opened = open_locators(SEALED[3:4], BATCH.sealed_key, study_key=STUDY, **PLACE)  # type: ignore[arg-type]
    assert opened == (ENTRIES[3][1],)


def test_one_place_gives_other_bytes_in_every_pointer() -> None:
    batch = seal_locators([(one, b"same") for one in IDS], study_public=STUDY.public, **PLACE)  # type: ignore[arg-type]
    assert len(set(batch.locators)) == len(IDS)


@pytest.mark.parametrize("wrong", [{"chain_id": b"d" * 32}, {"member": 0}, {"study": "diabetes"}])
def test_a_batchs_key_is_bound_to_its_place(wrong: dict[str, object]) -> None:
    with pytest.raises(SealingError) as caught:
        open_locators(SEALED, BATCH.sealed_key, study_key=STUDY, **PLACE | wrong)  # type: ignore[arg-type]
    assert caught.value.rule == "not-for-this-key"


def test_another_study_does_not_open_locators() -> None:
    with pytest.raises(SealingError):
        open_locators(SEALED, BATCH.sealed_key, study_key=KemKey.generate(), **PLACE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "altered",
    [b"", b"short", SEALED[1][1], SEALED[0][1] + b"\x00"],
    ids=["empty", "short", "another's", "a byte more"],
)
def test_a_locator_of_another_object_or_altered_is_refused(altered: bytes) -> None:
    with pytest.raises(ObjectError) as caught:
        open_locators([(IDS[0], altered)], BATCH.sealed_key, study_key=STUDY, **PLACE)  # type: ignore[arg-type]
    assert caught.value.rule == "locator-altered"


def test_a_batchs_key_of_another_length_is_refused() -> None:
    key = seal(STUDY.public, b"short", encode(("locators", CHAIN, MEMBER, "asthma")))
    with pytest.raises(SealingError) as caught:
        open_locators(SEALED, key, study_key=STUDY, **PLACE)  # type: ignore[arg-type]
    assert caught.value.rule == "malformed"


def test_two_locators_never_share_a_key() -> None:
    with pytest.raises(AssertionError):
        seal_locators([(IDS[0], b"a"), (IDS[0], b"b")], study_public=STUDY.public, **PLACE)  # type: ignore[arg-type]
    with pytest.raises(AssertionError):
        seal_locators([(IDS[0], bytes(MAX_LOCATOR_BYTES + 1))], study_public=STUDY.public, **PLACE)  # type: ignore[arg-type]


def test_a_recipient_is_found_by_its_key() -> None:
    recipients = [Recipient(1, class_key_id(bytes([n]) * 32), bytes([n])) for n in range(3)]
    decoded = decode_recipients(encode_recipients(recipients))
    assert decoded == tuple(recipients)
    assert wrap_for(decoded, bytes([2]) * 32) == bytes([2])
    with pytest.raises(ObjectError) as caught:
        wrap_for(decoded, bytes([3]) * 32)
    assert caught.value.rule == "recipient-missing"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        encode([]),
        encode([Recipient(1, b"k", b"c")] * (MAX_RECIPIENTS + 1)),
        encode([Recipient(1, b"k", b"c")]) + b"\x00",
        encode([Recipient(1, b"k", bytes(20_000))]),
        encode([(1, b"k")]),
        b"\x91" * 2_000,
    ],
    ids=["no-bytes", "nobody", "too-many", "trailing", "too-large", "fields", "nested"],
)
def test_bytes_that_are_no_list_of_recipients_are_refused(data: bytes) -> None:
    with pytest.raises(ObjectError) as caught:
        decode_recipients(data)
    assert caught.value.rule == "recipients-malformed"
