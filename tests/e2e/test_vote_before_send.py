"""A vote is on the disk before anybody hears it: shown by the kernel's own record of the system calls."""

import asyncio
import re

import pytest

from tests.e2e.strace_votes import findings, trace, why_not
from tests.localnet.consortium import Consortium

PRIMARY, BACKUP = 0, 1
TRANSACTIONS = 24
KINDS = {PRIMARY: {"PrePrepare", "Commit", "BlockVote"}, BACKUP: {"Prepare", "Commit", "BlockVote"}}

Traces = dict[int, list[str]]


@pytest.fixture(scope="module")
def traces(consortium: Consortium) -> Traces:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    files = {member: consortium.folder / f"trace-{member}" for member in KINDS}
    return asyncio.run(trace(consortium, files, transactions=TRANSACTIONS))


@pytest.mark.parametrize("member", [PRIMARY, BACKUP])
def test_every_vote_was_synced_before_it_was_written_to_a_peers_socket(traces: Traces, member: int) -> None:
    seen = findings(traces[member], member)
    assert seen.unsynced == []
    assert seen.lost == [], "an append that was never synced"
    assert seen.unsent == [], "a vote that the trace does not show on a socket"
    assert set(seen.votes) == KINDS[member]
    assert seen.appends >= TRANSACTIONS // 4 and seen.syncs >= seen.appends and seen.socket_writes > 0
    # Each goes to three peers.
    assert all(count >= 3 * TRANSACTIONS // 4 for count in seen.votes.values()), seen.votes


def test_a_node_that_does_not_sync_would_be_found_out(traces: Traces) -> None:
    lines = [line for line in traces[PRIMARY] if "fdatasync" not in line]
    seen = findings(lines, PRIMARY)
    assert len(seen.unsynced) == seen.votes.total() > 0
    assert len(seen.lost) == seen.appends > 0


def test_a_sync_that_failed_does_not_count(traces: Traces) -> None:
    failing = re.compile(r"(fdatasync.*\) += )0$")
    lines = [failing.sub(r"\1-1 EIO (Input/output error)", line) for line in traces[PRIMARY]]
    assert lines != traces[PRIMARY]
    seen = findings(lines, PRIMARY)
    assert len(seen.unsynced) == seen.votes.total() > 0


def test_a_sync_that_ends_after_the_send_would_be_found_out(traces: Traces) -> None:
    """Each vote's write is moved to where its append begins: between the append and the sync."""
    lines = traces[PRIMARY]
    early = [line for line in lines if "/frames.tap>" in line] + [
        line for line in lines if "/frames.tap>" not in line
    ]
    seen = findings(early, PRIMARY)
    assert len(seen.unsynced) == seen.votes.total() > 0


def test_a_vote_that_is_in_no_append_would_be_found_out(traces: Traces) -> None:
    """Other bytes were synced in time: that is not enough."""
    lines = [line for line in traces[PRIMARY] if not re.search(r" write\(\d+<[^>]*/votes-\d+\.log>", line)]
    seen = findings(lines, PRIMARY)
    assert seen.appends == 0 and len(seen.unsynced) == seen.votes.total() > 0
