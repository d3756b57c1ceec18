"""`status --why` and `--can-stop`, for people."""

from typing import Any

from chainnode.cli.output import pairs, table
from chainnode.node.whyreport import LackingReport, PeerReport, WhyReport
from consensus.types import TURN_VIEWS, View


def view_name(view: View) -> str:
    """`2`, or `2 of turn 3`: the number itself has both in it."""
    turn, step = divmod(view, TURN_VIEWS)
    return f"{step} of turn {turn}" if turn else str(step)


def why_tables(report: WhyReport) -> list[Any]:
    """The node, the slot that it waits for, each peer."""
    role = "votes" if report.votes else "observes"
    voting = f"no: {report.silent_because}" if report.silent_because else "yes"
    head = pairs(
        f"Why {report.slug} does what it does",
        {
            "role, voting": f"{role}, {voting}",
            "epoch, view": f"{report.epoch}, {view_name(report.view)}"
            + (" (moving to it)" if report.changing else ""),
            "primary": report.primary,
            "passed over as primary": ", ".join(report.passed_over) or "nobody",
            "certified, executed": f"{report.certified}, {report.executed}",
            "behind": "no" if report.behind is None else f"others are at {report.behind}",
            "timers": ", ".join(f"{name}: {left} ms left" for name, left in report.timers) or "none runs",
            "batches here, waiting": f"{report.batches_here}, {report.batches_waiting}",
            "view changes asked": ", ".join(f"{who} for {view_name(view)}" for who, view in report.asked)
            or "none",
        },
    )
    lacking = [] if report.lacking is None else [_lacking(report.lacking)]
    return [*_waits(report), head, *lacking, _peers(report), *report.alarms]


def _waits(report: WhyReport) -> list[str]:
    """What keeps blocks from being made as far as this node sees it, or that nothing does."""
    waits = [report.quorum_lost]
    if report.votes and report.silent_because:
        waits.append(f"this node does not vote: {report.silent_because}")
    if report.batches_waiting:
        waits.append(f"batches that wait to be ordered: {report.batches_waiting}")
    if report.behind is not None:
        waits.append(f"blocks are fetched: others are at {report.behind}, this node is at {report.certified}")
    found = [text for text in waits if text]
    if not found and report.lacking is None:
        return ["everything that was proposed is certified: nothing is waited for"]
    return found


def _lacking(lacking: LackingReport) -> Any:
    missing = {
        "PREPARE missing of": lacking.prepare,
        "COMMIT missing of": lacking.commit,
        "BLOCK-VOTE missing of": lacking.block_vote,
    }
    rows = {name: ", ".join(who) or "nobody" for name, who in missing.items()}
    return pairs(f"Slot {lacking.sequence}, the lowest without a certificate: {lacking.stage}", rows)


def _peers(report: WhyReport) -> Any:
    rows = [
        (
            peer.slug,
            _link(peer),
            peer.height if peer.up else None,
            view_name(peer.view) if peer.up else None,
            _votes(peer),
            _message(peer),
            _clock(peer),
        )
        for peer in report.peers
    ]
    columns = ("member", "link", "height", "view", "votes", "last message", "clock (ms)")
    return table("Peers", columns, rows)


def _link(peer: PeerReport) -> str:
    if not peer.up:
        return f"down: {peer.down_because}" if peer.down_because else "down"
    return f"up, {peer.round_trip_us / 1_000:.1f} ms" if peer.round_trip_us else "up"


def _votes(peer: PeerReport) -> str:
    if not peer.votes:
        return "observes"
    return {True: "yes", False: "no", None: "?"}[peer.voting]


def _message(peer: PeerReport) -> str | None:
    if peer.message_age_ms is None:
        return None
    return f"{peer.message}, {peer.message_age_ms / 1_000:.1f} s ago"


def _clock(peer: PeerReport) -> str | None:
    return None if peer.clock_ms is None else f"{peer.clock_ms:+d}"
