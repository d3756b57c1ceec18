"""What is shown in a narrow terminal is whole: no column is cut off on the right."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from chainnode.cli.commands.status import _node
from chainnode.cli.lazy import reflowed
from chainnode.cli.output import table
from chainnode.cli.views import hidden_counts
from chainnode.cli.whyviews import why_tables
from chainnode.node.api import LinkReport, StatusReport
from genesis.errors import EXIT_USAGE
from tests.gateway.fake import WHY


def shown(made, width):
    out = io.StringIO()
    Console(file=out, width=width).print(made)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    return out.getvalue()


LINKS = ("id", "member", "link", "height", "last heard (s ago)", "queued (bytes)", "state")
ROWS = [(4, "hospital-a", "down", 1_234_567, 123_456.7, 0, "state-of-it"), (5, "b", "up", 1, None, 7, "fine")]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_every_column_and_every_cell_stands_there_at_any_width(width):
    text = shown(table("Links", LINKS, ROWS, caption="what is meant"), width)
    for word in (
        "Links",
        "what is meant",
        "queued",
        "(bytes)",
        "hospital-a",
        "1234567",
        "123456.7",
        "state-of-it",
    ):
        assert word in text
    assert ("┏" in text) == (width >= 80), "a table where there is room for one"


def test_an_id_beside_long_words_leaves_room_for_the_columns_on_its_right():
    terms = "permit HMB; conditions, observations; for hospital-d; until 2027-12-31 23:59 UTC"
    columns = ("consent", "terms", "since height", "revoked at height")
    text = shown(table("Standing consents", columns, [(b"c" * 16, terms, 123_456, 654_321)]), 80)
    assert all(one in text for one in ("63" * 16, "123456", "654321", "revoked at", "┏"))


def test_what_a_peer_waits_for_is_whole_at_60_columns():
    text = shown(why_tables(WHY)[-3], 60)
    assert all(one in text for one in ("clock (ms)", "-5", "last message", "down: silent"))


STATUS = StatusReport(
    member=1,
    slug="hospital-b",
    network="net",
    height=7,
    state_root=b"r" * 32,
    view=2,
    primary=2,
    voting=True,
    why="",
    uptime_ms=1,
    first_commit_ms=0,
    rss_bytes=1,
    disk_bytes=1,
    transactions=4,
    commit_latency_ms=(1.0, 2.0, 3.0),
    quorum=2,
    links=(LinkReport(2, "hospital-c", True, 7, 1, 0),),
)


def test_status_names_the_primary_and_gives_percentiles_only_of_a_handful():
    text = shown(_node(STATUS), 80)
    assert "2, hospital-c" in text and "1.0 / 2.0" not in text
    assert "1.0 / 2.0 / 3.0" in shown(_node(replace(STATUS, transactions=5)), 80)
    assert "0.0 / 0.0" not in shown(_node(replace(STATUS, transactions=5, commit_latency_ms=(0, 0, 0))), 80)
    assert "2, hospital-b" in shown(_node(replace(STATUS, primary=1)), 80)


def test_the_marks_of_hidden_counts_are_explained():
    assert all(mark in hidden_counts(5) for mark in ("<5: 1 to 4", "N+: ", "0+: all"))


def test_paragraphs_of_a_help_text_flow():
    assert reflowed("One\nline.\n\nAnd  another\none.") == "One line.\n\nAnd another one."


def test_the_word_version_leads_to_the_option(cli):
    ran = cli("version", "--json")
    assert (ran.code, ran.error["next"]) == (EXIT_USAGE, "chainnode --version")
    assert "Did you mean --version?" in ran.error["what"]
