import base64
import os
import uuid

import pytest

from tests.leaks import MARKER, LeakSearch

NOISE = bytes(range(256)) * 40


def found(search: LeakSearch, data: bytes) -> set[str]:
    return {hit.identifier for hit in search.find(data)}


@pytest.mark.parametrize(
    "text", [MARKER, "Quorlindra", "999-59-8153", "119 Spencer Glen Suite 18", "Zoë Müller"]
)
def test_every_form_of_a_text_is_found_anywhere_in_noise(text: str) -> None:
    search = LeakSearch([text])
    forms = search.forms(text)
    assert {name.split("/")[0] for name in forms} >= {"plain", "hex", "base64", "utf-16le", "utf-16be"}
    for name, planted in forms.items():
        for padding in range(7):
            data = NOISE[: 26 + padding] + planted + NOISE[:50]
            assert found(search, data) == {text}, name


@pytest.mark.parametrize("text", [MARKER, "Quorlindra", "MRN135354367"])
def test_other_case_is_found_in_every_encoding(text: str) -> None:
    search = LeakSearch([text])
    for cased in (text.upper(), text.lower(), text.swapcase()):
        assert found(search, cased.encode()) == {text}
        assert found(search, cased.encode("utf-16-le")) == {text}
    for cased in (text.upper(), text.lower()):
        assert found(search, cased.encode().hex().upper().encode()) == {text}


@pytest.mark.parametrize("before", range(9))
def test_base64_of_a_text_around_it_is_found_at_each_alignment(before: int) -> None:
    search = LeakSearch(["Quorlindra"])
    around = b"x" * before + b"Quorlindra" + b"yz"
    assert found(search, base64.b64encode(around)) == {"Quorlindra"}
    assert found(search, base64.urlsafe_b64encode(around).rstrip(b"=")) == {"Quorlindra"}


def test_numbers_are_found_without_their_punctuation() -> None:
    search = LeakSearch(["999-59-8153", "1991-06-08"])
    assert found(search, b"ssn=999598153 born=19910608") == {"999-59-8153", "1991-06-08"}
    assert found(search, b"digest 0a1999598153ff, 5199106087") == set()


def test_a_uuid_is_found_as_text_without_hyphens_and_as_bytes() -> None:
    text = "2be9b668-847a-4437-b33a-bdc38c665e08"
    search = LeakSearch([text])
    for data in (text.encode(), text.replace("-", "").upper().encode(), uuid.UUID(text).bytes):
        assert found(search, b"\x00\x01" + data + b"\xff") == {text}


def test_a_short_name_counts_only_as_a_word_among_text() -> None:
    search = LeakSearch(["Lee", "O'Kon", "李明"])
    assert found(search, b'{"family":"LEE","given":"o\'kon"}') == {"Lee", "O'Kon"}
    assert found(search, b"lee") == {"Lee"}
    assert found(search, "患者李明。".encode()) == {"李明"}
    assert found(search, b"sleep fleet leeway lee1") == set()
    assert found(search, NOISE[:90] + b"\x00Lee\x00" + NOISE[128:190]) == set()
    assert found(search, b"QUJD" * 12 + b"/Lee+" + b"QUJD" * 12) == set()
    assert found(search, b"/home/Lee/file") == {"Lee"}


def test_a_short_name_is_found_in_utf16() -> None:
    assert found(LeakSearch(["Lee"]), "x Lee y".encode("utf-16-le")) == {"Lee"}


def test_what_is_too_short_or_ignored_is_listed_and_not_searched() -> None:
    search = LeakSearch(["100", "Al", "--", "Page", "12345", "Quorlindra"], ignore=["page"])
    assert search.skipped == ["100", "Al", "--", "Page", "12345"]
    assert search.identifiers == ["Quorlindra", MARKER]
    assert search.find(b"100 Al -- Page 12345") == []


def test_the_marker_is_always_looked_for() -> None:
    assert found(LeakSearch([]), b"..." + MARKER.encode()) == {MARKER}


def test_random_bytes_hold_nothing() -> None:
    names = [f"Brin{n:03}" for n in range(50)] + ["Lee", "Ada", "Boston", "1991-06-08", "999-59-8153"]
    search = LeakSearch(names)
    data = os.urandom(300_000)
    assert search.find(data) == []
    assert search.find(base64.b64encode(data)) == []
    assert search.find(data.hex().encode()) == []


def test_hits_tell_form_and_place() -> None:
    search = LeakSearch(["Quorlindra"])
    assert search.find_in([("a.log", b"none"), ("b.log", b"id: quorlindra")]) == [
        "b.log: plain form of 'Quorlindra' at 4"
    ]
