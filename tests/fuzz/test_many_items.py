"""Small items cost some 64 bytes of memory for one of input: they are counted before they are made."""

from collections.abc import Callable

import pytest

from chainnode.ledger.receipt import MAX_RECEIPT_ITEMS
from genesis import cbor
from tests.fuzz.test_decoders import memory_of
from tests.ledger.receipts import authorised
from tests.ledger.twoverifiers import of_the_file_under, of_the_ledger

LENGTH_BYTES = 2 << 20
assert LENGTH_BYTES > MAX_RECEIPT_ITEMS
SPARE_BYTES = 1 << 20
SMALL = {"lists": b"\x80", "maps": b"\xa0", "bytes": b"\x40", "texts": b"\x60", "numbers": b"\x18\xff"}


def many(item: bytes) -> bytes:
    count = LENGTH_BYTES // len(item)
    return b"\x9a" + count.to_bytes(4, "big") + item * count


VERIFIERS = {"of the ledger": of_the_ledger, "in one file": of_the_file_under}


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_a_receipt_of_many_small_items_is_refused_before_they_are_made(verifier: str) -> None:
    scene, _, receipt = authorised()
    data, check = many(SMALL["lists"]), VERIFIERS[verifier]
    assert check(receipt, scene.chain.founding) == ""
    rules = []
    spent = memory_of(lambda: rules.append(check(data, scene.chain.founding)))
    assert rules in (["receipt-malformed"], ["malformed"]) and spent <= SPARE_BYTES, f"{spent} bytes"


@pytest.mark.parametrize("kind", SMALL)
def test_a_document_of_many_small_items_is_refused_before_they_are_made(kind: str) -> None:
    data = many(SMALL[kind])

    def read() -> None:
        with pytest.raises(cbor.CborError, match="more than 65536 items"):
            cbor.decode(data, limit_bytes=len(data))

    assert memory_of(read) <= SPARE_BYTES


def test_as_many_as_are_allowed_cost_a_hundred_bytes_each() -> None:
    data = cbor.encode([[]] * (cbor.MAX_ITEMS - 1))
    assert memory_of(taken(data, cbor.MAX_ITEMS)) <= 100 * cbor.MAX_ITEMS


def taken(data: bytes, limit_items: int) -> Callable[[], object]:
    return lambda: cbor.decode(data, limit_bytes=len(data), limit_items=limit_items)


@pytest.mark.parametrize(
    "value",
    [
        [0] * 9,
        {"a": {"b": [None, True, -1]}, "e": -1},
        [bytes([0x80]) * length for length in (0, 1, 23, 24, 255, 256, 65_535, 65_536, 3)],
        ["\u0080" * length for length in (1, 11, 12, 127, 128, 32_768, 5, 6, 7)],
        [0, 23, 24, 255, 256, 65_536, 2**32, 2**64 - 1, -(2**32)],
    ],
)
def test_what_lies_within_texts_and_numbers_is_no_item(value: cbor.Plain) -> None:
    data = cbor.encode(value)
    assert taken(data, 10)() == value
    with pytest.raises(cbor.CborError, match="more than 9 items"):
        taken(data, 9)()


@pytest.mark.parametrize(
    "hex_", ["9fff", "5fff", "7f60ff", "bfff", "fc", "c280", "d82a40", "81c280", "82405f"]
)
def test_tags_and_indefinite_lengths_are_refused_by_their_heads(hex_: str) -> None:
    scene, _, _ = authorised()
    with pytest.raises(cbor.CborError, match=r"a tag|indefinite"):
        cbor.decode(bytes.fromhex(hex_), limit_bytes=10)
    assert of_the_file_under(bytes.fromhex(hex_), scene.chain.founding) == "malformed"
