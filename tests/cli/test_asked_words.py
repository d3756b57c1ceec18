"""What a patient signs is said in English and in Chinese, every field of it in both."""

import io
import re

import pytest
from rich.console import Console

from chainnode.cli.actions import asked_texts as texts
from chainnode.cli.actions.asked_words import short, tell
from chainnode.cli.actions.asking import FORM, Application, AskedHalf, Asking, Member, TakingBack, Terms
from chainnode.cli.askedviews import qr_text, told_table
from chainnode.ledger.documents import ConsentDocument, ConsentDocument2, Provision, Provision2
from chainnode.ledger.fields import SCOPE_ALL, SCOPE_CLASS, SCOPE_CONSENT, SCOPE_REQUEST
from chainnode.ledger.payloads import DATA_CLASSES, DENY, MODIFIERS, PERMISSIONS, PERMIT, Purpose
from chainnode.ledger.rows import SCOPES, STATUSES
from consensus.codec import encode
from tests.pool import objects

CHINESE = re.compile(r"[\u4e00-\u9fff]")
YEAR_2027, YEAR_2028 = 1_798_761_600_000, 1_830_297_600_000


def asking(matter):
    members = (Member(2, "hospital-a", "City Hospital"), Member(3, "hospital-d", "University Hospital"))
    return Asking(FORM, objects.CHAIN, "demo-net", members, 2, b"h" * 16, b"k" * 32, YEAR_2027, 517, matter)


def application(**changes):
    pointer = encode(objects.make(b"{}").pointer)
    purpose = Purpose("DS", "MONDO:0005148", True, ("IRB", "RTN"))
    fields = {
        "request_id": b"r" * 16,
        "member": 3,
        "department": "research",
        "project": "heart",
        "title": "Conditions by age",
        "plan": "Count them",
        "purpose": purpose,
        "expires_ms": YEAR_2028,
        "sealing_key": b"s",
        "halves": (AskedHalf(pointer, b"", b""), AskedHalf(pointer, b"", b"")),
    } | changes
    return Application(**fields)


def test_every_text_has_both_languages_and_the_chinese_one_is_chinese():
    for name, table in texts.TABLES.items():
        for key, (english, chinese) in table.items():
            assert english.strip() and not CHINESE.search(english), (name, key)
            assert CHINESE.search(chinese), (name, key)
            assert re.findall(r"{\w+}", english) == re.findall(r"{\w+}", chinese), (name, key)


def test_every_code_that_a_chain_knows_has_its_words():
    assert set(texts.PURPOSES) == set(PERMISSIONS)
    assert set(texts.PROMISES) == set(MODIFIERS)
    assert set(texts.CLASSES) == set(DATA_CLASSES)
    assert set(texts.STATUSES) == set(STATUSES)
    assert set(texts.MATTERS) == set(SCOPES)
    assert set(texts.TAKEN_BACK) == {SCOPE_ALL, SCOPE_CLASS, SCOPE_CONSENT, SCOPE_REQUEST}
    assert {PERMIT, DENY} <= set(texts.VALUES)


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_an_application_is_told_with_every_field_that_is_signed_for(language):
    told = tell(asking(application()), language)
    said = "\n".join(map(": ".join, told.lines))
    for field in (
        "City Hospital (hospital-a)",
        (b"h" * 16).hex(),
        "demo-net",
        "2027-01-01 00:00 UTC",
        "517",
        "University Hospital (hospital-d)",
        "research",
        "heart",
        "Conditions by age",
        "Count them",
        "(DS)",
        "MONDO:0005148",
        "(IRB)",
        "(RTN)",
        "2028-01-01 00:00 UTC",
        (b"r" * 16).hex(),
    ):
        assert field in said, field
    at = texts.LANGUAGES.index(language)
    assert texts.EFFECTS["application"][at] in said and texts.CLASSES["conditions"][at] in said
    assert dict(told.lines)[texts.LABELS["profit"][at]] == texts.VALUES["yes"][at]
    assert "2" in dict(told.lines)[texts.LABELS["data"][at]]


FIRST = ConsentDocument(
    "active",
    "research",
    YEAR_2027,
    Provision(
        PERMIT,
        (3,),
        ("HMB",),
        ("conditions",),
        YEAR_2027,
        YEAR_2028,
        (Provision(DENY, purposes=("POA",), provisions=(Provision(PERMIT, classes=("allergies",)),)),),
    ),
)
SECOND = ConsentDocument2(
    "draft",
    "treatment",
    YEAR_2027,
    Provision2(
        DENY,
        purposes=("DS:MONDO:0005148",),
        levels=(1, 5),
        codes=("http://loinc.org|718-7",),
        data_start_ms=YEAR_2027,
        data_end_ms=YEAR_2028,
    ),
)


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_standing_terms_are_told_with_every_field_of_both_forms(language):
    at = texts.LANGUAGES.index(language)
    said = "\n".join(map(": ".join, tell(asking(Terms(encode(FIRST))), language).lines))
    exception = texts.LABELS["exception"][at]
    for field in (
        texts.VALUES[PERMIT][at],
        "University Hospital (hospital-d)",
        "(HMB)",
        texts.CLASSES["conditions"][at],
        "2028-01-01 00:00 UTC",
        f"{exception} 1: ",
        f"{exception} 1.1: ",
        texts.VALUES[DENY][at],
        "(POA)",
        texts.CLASSES["allergies"][at],
        texts.STATUSES["active"][at],
        texts.MATTERS["research"][at],
        texts.EFFECTS["terms"][at],
    ):
        assert field in said, field
    said = dict(tell(asking(Terms(encode(SECOND))), language).lines)
    labels = [texts.LABELS[name][at] for name in ("levels", "codes", "data_from", "data_until")]
    values = [said[label] for label in labels]
    assert values[0] in ("1, 5", "1、5") and values[1] == "http://loinc.org|718-7"
    assert values[2:] == ["2027-01-01 00:00 UTC", "2028-01-01 00:00 UTC"]
    assert "MONDO:0005148" in said[texts.LABELS["purposes"][at]]
    assert said[texts.LABELS["status"][at]] == texts.STATUSES["draft"][at]


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_what_is_taken_back_is_told(language):
    at = texts.LANGUAGES.index(language)
    for scope, target, more in (
        (SCOPE_ALL, b"", ""),
        (SCOPE_CLASS, b"allergies", texts.CLASSES["allergies"][at]),
        (SCOPE_CONSENT, b"c" * 16, (b"c" * 16).hex()),
        (SCOPE_REQUEST, b"r" * 16, (b"r" * 16).hex()),
    ):
        said = "\n".join(map(": ".join, tell(asking(TakingBack(scope, target)), language).lines))
        assert texts.TAKEN_BACK[scope][at] in said and more in said


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_the_table_shows_everything_whole_at_60_columns(language):
    out = io.StringIO()
    Console(width=60, file=out).print(told_table(tell(asking(application()), language)))
    shown = re.sub(r"\s|[^\w,;:()]", "", out.getvalue())
    at = texts.LANGUAGES.index(language)
    for text in (texts.LABELS["signed_until"][at], "UniversityHospital(hospital-d)", (b"r" * 16).hex()[:20]):
        assert re.sub(r"\s|[^\w,;:()]", "", text) in shown


@pytest.mark.parametrize("language", texts.LANGUAGES)
def test_a_qr_code_holds_who_asks_for_what_and_fits_a_terminal(language):
    text = short(asking(application(title="t" * 200)), language)
    assert text.startswith("chainnode:" + (b"r" * 16).hex() + "\n") and "hospital-d" in text
    rows = qr_text(text).splitlines()
    assert len({len(row) for row in rows}) == 1 and len(rows[0]) <= 100
    assert set("".join(rows)) <= set("█▀▄ ")


def test_what_a_hostile_title_would_do_to_a_phone_is_escaped():
    assert "\x1b" not in short(asking(application(title="a\x1b[2J\u202eb")), "en")
