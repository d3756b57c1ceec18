"""Times, ids and lists as people write them."""

import time

import pytest

from chainnode.cli.options import hex_id, moment_ms, split_list
from chainnode.cli.output import plain, table
from chainnode.ledger.payloads import UsePolicy
from genesis.errors import EXIT_USAGE, OperatorError


@pytest.mark.parametrize(
    ("text", "end", "expected"),
    [
        ("2027-01-01", False, 1_798_761_600_000),
        ("2027-01-01", True, 1_798_848_000_000),
        ("2027-01-01T12:00:00+01:00", True, 1_798_801_200_000),
        ("2027-01-01T11:00:00", False, 1_798_801_200_000),
        ("2027-01-01T11:00:00Z", False, 1_798_801_200_000),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text, end, expected):
    assert moment_ms(text, end=end) == expected


@pytest.mark.parametrize(("text", "seconds"), [("30d", 2_592_000), ("12h", 43_200), ("5m", 300), ("9s", 9)])
def test_a_span_counts_from_now(text, seconds, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1_000.5)
    assert moment_ms(text) == 1_000_500 + seconds * 1_000


@pytest.mark.parametrize("text", ["", "soon", "30", "30y", "2027-13-01", "999999d", "-1d"])
def test_what_is_no_time_is_a_usage_error(text):
    with pytest.raises(OperatorError) as caught:
        moment_ms(text)
    assert caught.value.code.exit_code == EXIT_USAGE


@pytest.mark.parametrize("text", ["", "ab" * 15, "ab" * 17, "zz" * 16, " " + "ab" * 15 + "a"])
def test_an_id_of_another_length_or_alphabet_is_a_usage_error(text):
    with pytest.raises(OperatorError):
        hex_id(text, 16, "handle")
    assert hex_id("AB" * 16, 16, "handle") == b"\xab" * 16


def test_lists_are_split_at_commas_and_hold_nothing_twice():
    assert split_list(["a,b", "c, a", ""]) == ("a", "b", "c")
    assert split_list(None) == ()


def test_json_shows_bytes_in_hex_and_structs_by_their_fields():
    assert plain({"a": b"\x01", "b": [UsePolicy("HMB", ("NPU",))], "c": None}) == {
        "a": "01",
        "b": [{"permission": "HMB", "modifiers": ["NPU"], "disease": ""}],
        "c": None,
    }


def test_numbers_stand_to_the_right_and_texts_to_the_left():
    made = table("Title", ("name", "size (MB)", "cell"), [("a", 1.25, "<5"), ("b", None, "12+")])
    assert [column.justify for column in made.columns] == ["left", "right", "right"]
