import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.pool.padding import pad, padme, unpad


@pytest.mark.parametrize(
    ("length", "padded"),
    [
        (0, 0),
        (1, 1),
        (2, 2),
        (8, 8),
        (9, 10),
        (15, 16),
        (100, 104),
        (1_000, 1_024),
        (1_025, 1_088),
        (65_544, 67_584),
    ],
)
def test_padme_gives_the_papers_lengths(length: int, padded: int) -> None:
    assert padme(length) == padded


@given(st.integers(1, 2**40))
def test_padme_never_shrinks_adds_at_most_12_percent_and_is_stable(length: int) -> None:
    padded = padme(length)
    assert length <= padded <= length * 1.12 + 1
    assert padme(padded) == padded


@given(st.integers(0, 2**30), st.integers(0, 2**30))
def test_padme_keeps_the_order_of_lengths(one: int, other: int) -> None:
    assert (padme(one) <= padme(other)) or one > other


def test_few_lengths_remain_visible() -> None:
    assert len({padme(length) for length in range(8, 100_000)}) < 300


@given(st.binary(max_size=300))
def test_what_is_padded_comes_back(plaintext: bytes) -> None:
    padded = pad(plaintext)
    assert len(padded) == padme(len(plaintext) + 8)
    assert unpad(padded) == plaintext


@pytest.mark.parametrize(
    "padded",
    [
        b"",
        bytes(7),
        pad(b"plaintext")[:-1],
        pad(b"plaintext") + b"\x00",
        pad(b"x" * 90)[:-1] + b"\x01",
        (200).to_bytes(8, "big") + b"plaintext",
        (2**64 - 1).to_bytes(8, "big") + b"plaintext",
        (5).to_bytes(8, "big") + b"plaintext",
    ],
    ids=["empty", "short", "cut", "longer", "not-zero", "beyond", "huge", "too-short"],
)
def test_what_padding_would_not_have_written_is_refused(padded: bytes) -> None:
    assert unpad(padded) is None
