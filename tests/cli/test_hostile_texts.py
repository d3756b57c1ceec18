"""What another hospital, a file or a user wrote reaches the terminal as letters: nothing in it is obeyed."""

import json
import unicodedata

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from chainnode.cli.actions.requests import RequestView
from chainnode.cli.actions.since import Since
from chainnode.cli.errors import Report
from chainnode.cli.output import Lines, hold_warnings, pairs, show, show_error, table, warn
from chainnode.cli.views import request_tables, requests_table
from chainnode.ledger.payloads import Purpose
from chainnode.ledger.records import RequestRecord, Source
from chainnode.node.api import Stamp
from chainnode.node.config import LogConfig
from chainnode.node.logs import node_logger
from genesis.display import UNSEEN, visible

HOSTILE = "A\x1b]0;pwn\x07\x1b[2J[red]x\x9b2J \u202eevil\r\nAUTHORISED\u2028\U000e0041\x7f\ud800"
SHOWN = r"A\x1b]0;pwn\x07\x1b[2J[red]x\x9b2J \u202eevil\r\nAUTHORISED\u2028\U000e0041\x7f\ud800"


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")


def harmless(text: str) -> bool:
    return not any(unicodedata.category(one) in UNSEEN for one in text.replace("\n", ""))


def test_what_is_ordinary_stays_as_it_is():
    for text in ("Hôpital Nord", "臨床試験 β 5 µg/ml", "[red]", "naïve\u00a0space", ""):
        assert visible(text) == text


@given(st.text())
def test_nothing_that_is_shown_hides_or_is_obeyed(text: str):
    assert harmless(visible(text)) and "\n" not in visible(text)


def test_tables_and_lines_show_escapes_and_markup_as_letters(capsys):
    cells = table(HOSTILE, (HOSTILE, "b"), [(HOSTILE, 1)], caption=HOSTILE)
    show({}, cells, pairs("p", {HOSTILE: HOSTILE}), HOSTILE, json=False)
    out = capsys.readouterr().out
    assert out.count(SHOWN) == 7 and harmless(out)
    assert not any(line.lstrip(" │").startswith("AUTHORISED") for line in out.splitlines())


def test_a_cell_of_lines_breaks_where_we_do_alone(capsys):
    show({}, table("t", ("a",), [(Lines((HOSTILE, "second")),)]), json=False)
    lines = capsys.readouterr().out.splitlines()
    assert [SHOWN in line for line in lines].index(True) + 1 == ["second" in line for line in lines].index(
        True
    )


def test_an_applications_title_of_another_hospital_is_letters_in_list_and_show(capsys):
    record = RequestRecord(
        member=1,
        department="onco",
        project="heart",
        project_key=bytes(32),
        project_sealing_key=bytes(32),
        purpose=Purpose("HMB"),
        objects=(bytes(16),),
        expires_ms=1_798_761_600_000,
        text_row=bytes(32),
        handles=(),
        providers=(),
        applied=Source(bytes(32), 3),
    )
    stamp = Stamp(5, bytes(32), 1_700_000_000_000, b"")
    view = RequestView(bytes(16), "hospital-b", record, HOSTILE, HOSTILE, (), None, Since(), stamp)
    show({}, requests_table([view]), *request_tables(view), json=False)
    out = capsys.readouterr().out
    assert out.count(SHOWN) == 3 and harmless(out)


def test_errors_and_warnings_show_them_as_letters(capsys):
    hold_warnings(json=False)
    show_error(Report(HOSTILE, HOSTILE, HOSTILE, HOSTILE, 2), json=False)
    warn(HOSTILE)
    err = capsys.readouterr().err
    assert err.count(SHOWN) == 5 and harmless(err) and len(err.splitlines()) == 4


def test_json_escapes_them_as_json_does_and_says_the_same(capsys):
    said = HOSTILE.removesuffix("\ud800")
    show({said: [said]}, json=True)
    show_error(Report("X", said, said, said, 2), json=True)
    captured = capsys.readouterr()
    assert harmless(captured.out) and harmless(captured.err)
    assert json.loads(captured.out) == {said: [said]}
    assert json.loads(captured.err)["error"]["what"] == said
    show({"path": HOSTILE}, json=True)
    assert json.loads(capsys.readouterr().out) == {"path": said + "\\ud800"}


@pytest.mark.parametrize("form", ["json", "console"])
def test_the_log_shows_them_as_letters(form, capsys, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    before = structlog.get_config()
    try:
        log = node_logger(LogConfig(level="info", format=form))
        log.info(HOSTILE, peer="x\x1b[2Jy\u202e", more=("\x9b",))
    finally:
        structlog.configure(**before)
    err = capsys.readouterr().err
    assert "pwn" in err and "\x1b[2J" not in err and len(err.splitlines()) == 1
    assert not any(one in err for one in "\x9b\u202e\x07\r\u2028")


@pytest.mark.parametrize("option", ["--title", "--plan"])
@pytest.mark.parametrize("text", [HOSTILE.removesuffix("\ud800"), "two\nlines", "x" * 8_001, "\u202e"])
def test_an_application_is_not_filed_under_such_a_text(option, text, cli, secret, tmp_path):
    given = {"--title": "Heart", "--plan": "", option: text}
    files = (
        "--head-file",
        tmp_path / "head",
        "--project-file",
        tmp_path / "p",
        "--passphrase-file",
        secret(),
    )
    terms = ("--purpose", "HMB", "--expires", "30d", "--project-passphrase-file", secret())
    words = [word for pair in given.items() for word in pair]
    where = ("--socket", tmp_path / "s", "--department", "onco", "--project", "heart")
    ran = cli("request", "new", *files, *terms, *where, *words, "--json")
    assert (ran.code, ran.error["code"]) == (2, "CLI-01")
    assert option.strip("-") in ran.error["what"] and harmless(ran.err)
    assert not (tmp_path / "p").exists()
