"""What Prometheus reads: every metric, once each, with numbers that are those of the reports."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chainnode.ledger.machine import Execution
from chainnode.ledger.records import Result
from chainnode.node.api import LinkReport, StatusReport
from chainnode.node.latency import BUCKETS_MS, Latencies
from chainnode.node.metrics import METRICS, Metrics, Standing, Tally
from chainnode.node.turn import Turn
from chainnode.node.whyreport import LackingReport, PeerReport, WhyReport
from consensus.ready import Rejection, ViewRecord
from consensus.types import TURN_VIEWS
from tests.ledger.world import digest32

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")

WHY = WhyReport(
    0, "hospital-a", 2, 5, True, "hospital-b", 40, 41, None, True, "", 3, 16, (), 7, 6, (),
    LackingReport(41, "commit", ("hospital-d",), ("hospital-c", "hospital-d"), ()), ("the disk",),
    (
        PeerReport(1, "hospital-b", True, "", 2, 39, 5, True, True, "", None, None, 1_500, -40),
        PeerReport(2, "hospital-c", False, "silent", 0, 0, 0, True, None, "", None, None, 0, None),
    ),
)  # fmt: skip
STATUS = StatusReport(
    0, "hospital-a", "net", 40, "00", 5, 1, True, "", 9, 9, 1, 2_000, 12, (0.0, 0.0, 0.0), 3,
    (
        LinkReport(1, "hospital-b", True, 39, 0, 77),
        LinkReport(2, "hospital-c", False, 0, 0, 0, observes=True),
    ),
    3_000, ("the disk", "a clock"), False, "quorum lost",
)  # fmt: skip
STANDING = Standing(11, 22, 33, 30, 4, 1_700_000_000_500)
PREFIX = "chainnode_"


def told(
    status: StatusReport = STATUS,
    why: WhyReport = WHY,
    tally: Tally | None = None,
    latencies: Latencies | None = None,
    turned_away: Counter[str] | None = None,
) -> bytes:
    return Metrics(
        status=lambda: status,
        why=lambda: why,
        standing=lambda: STANDING,
        tally=tally or Tally(),
        latencies=latencies or Latencies(),
        turned_away=turned_away or Counter(),
    ).text()


def samples(text: bytes) -> dict[str, float]:
    """By name, and the label's value behind a slash."""
    return {
        "/".join([sample.name.removeprefix(PREFIX), *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_the_numbers_are_those_of_the_reports():
    found = samples(told())
    expected = {
        "height": 41, "certified_height": 40, "last_block_timestamp_seconds": 1_700_000_000.5,
        "epoch": 2, "view": 5, "view_changing": 1, "voting": 1, "observer": 0,
        "voters": 2, "quorum": 3, "quorum_lost": 1,
        "missing_votes/prepare": 1, "missing_votes/commit": 2, "missing_votes/block-vote": 0,
        "batches_waiting": 6, "mempool_bytes": 11, "unordered_bytes": 22, "alarms": 2,
        "disk_free_bytes": 3_000, "disk_reserve_bytes": 33, "home_bytes": 2_000,
        "snapshot_height": 30, "lowest_block_height": 4,
        "peer_up/hospital-b": 1, "peer_up/hospital-c": 0, "peer_voting/hospital-b": 1,
        "peer_height/hospital-b": 39, "peer_clock_offset_seconds/hospital-b": -0.04,
        "peer_round_trip_seconds/hospital-b": 0.0015, "peer_queued_bytes/hospital-b": 77,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    # What a peer did not tell is no number.
    assert {name for name in found if "hospital-c" in name} == {
        "peer_up/hospital-c", "peer_height/hospital-c", "peer_queued_bytes/hospital-c",
    }  # fmt: skip
    calm = samples(
        told(replace(STATUS, voting=False, quorum_lost="", observes=True), replace(WHY, lacking=None))
    )
    assert (calm["voting"], calm["quorum_lost"], calm["voters"], calm["missing_votes/commit"]) == (0, 0, 1, 0)
    assert calm["observer"] == 1


def test_what_happened_is_counted_by_what_came_of_it():
    tally = Tally()
    results = (
        Result(digest32("a"), ""),
        Result(digest32("b"), "replayed"),
        Result(digest32("c"), "", "REFUSED", "patient-not-signed"),
    )
    tally.executed(Execution(results, (), {}, b"", b"", b""))
    tally.executed(Execution(results[:1], (), {}, b"", b"", b""))
    tally.note(
        Turn(rejections=[Rejection("signature", 1), Rejection("signature", 2), Rejection("stranger", 2)])
    )
    found = samples(told(tally=tally, turned_away=Counter({"malformed": 4})))
    assert found["blocks_total"] == 2
    assert found["transactions_total/ok"] == 2 and found["transactions_total/replayed"] == 1
    assert found["transactions_total/patient-not-signed"] == 1
    assert found["messages_rejected_total/signature"] == 2 and found["messages_rejected_total/stranger"] == 1
    assert found["turned_away_total/malformed"] == 4


def test_a_move_to_a_later_view_is_counted_once_and_a_new_turn_or_epoch_is_none():
    tally = Tally()
    tally.begin(0, 3)
    for record in (
        ViewRecord(0, 3, False),  # where it was before
        ViewRecord(0, 4, True),
        ViewRecord(0, 4, False),
        ViewRecord(0, 6, False),
        ViewRecord(1, 0, False),
        ViewRecord(1, 1, True),
        ViewRecord(1, TURN_VIEWS, False),
        ViewRecord(1, TURN_VIEWS + 1, False),
    ):
        tally.note(Turn(records=[record]))
    assert tally.view_changes == 4


def test_latencies_are_a_cumulative_histogram_in_seconds():
    latencies = Latencies()
    for milliseconds in (5.0, 5.1, 90.0, 99_000.0):
        latencies.add(milliseconds)
    found = samples(told(latencies=latencies))
    assert found["commit_latency_seconds_bucket/0.005"] == 1
    assert found["commit_latency_seconds_bucket/0.01"] == 2
    assert found["commit_latency_seconds_bucket/0.1"] == found["commit_latency_seconds_bucket/30.0"] == 3
    assert found["commit_latency_seconds_bucket/+Inf"] == found["commit_latency_seconds_count"] == 4
    assert found["commit_latency_seconds_sum"] == pytest.approx(99.1001)
    assert len([name for name in found if "_bucket/" in name]) == len(BUCKETS_MS) + 1
    assert samples(told())["commit_latency_seconds_count"] == 0


def test_every_metric_is_there_once_under_a_conventional_name():
    families = list(text_string_to_metric_families(told().decode()))
    process = {family.name for family in families if family.name.startswith("chainnode_process_")}
    own = [family for family in families if family.name not in process]
    assert [family.name for family in own] == [one.name.removesuffix("_total") for one in METRICS]
    assert [(family.type, family.documentation) for family in own] == [
        (one.kind, one.meaning) for one in METRICS
    ]
    for one in METRICS:
        assert re.fullmatch(r"chainnode_[a-z]+(?:_[a-z]+)*", one.name) and one.meaning.endswith(".")
        assert one.name.endswith("_total") == (one.kind == "counter")
        assert not re.search(r"_(?:ms|us|mb|kb|minutes)(?:_|$)", one.name), "base units: seconds, bytes"
    assert {"chainnode_process_resident_memory_bytes", "chainnode_process_cpu_seconds"} <= process


def test_labels_are_members_rules_and_kinds_alone():
    assert {one.label for one in METRICS} == {"", "version", "kind", "result", "rule", "peer"}


def test_every_metric_that_the_guide_names_exists():
    section = GUIDE.split("## Prometheus\n")[1].split("\n## ")[0]
    named = set(re.findall(r"\bchainnode_[a-z_]+\b", section))
    known = {
        sample.name for family in text_string_to_metric_families(told().decode()) for sample in family.samples
    }
    known |= {one.name for one in METRICS}
    assert len(named) > 8 and named - known == set()
