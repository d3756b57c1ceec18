"""`chainnode status`."""

import time
from dataclasses import asdict

import typer

from chainnode.cli.options import HeightOption, HomeOption, JsonOption, SocketOption, Target
from chainnode.cli.output import pairs, show, size, table
from chainnode.node.api import Role, StatusReport

app = typer.Typer(add_completion=False)


@app.command()
def status(
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    json: JsonOption = False,
) -> None:
    """The node, its height and its links."""
    target = Target(home, socket, Role.SYSADMIN, min_height)
    report = target.call(lambda client: client.status())
    show(asdict(report), _node(report), _links(report), json=json)


def _node(report: StatusReport) -> object:
    p50, p95, p99 = report.commit_latency_ms
    voting = "yes" if report.voting else f"no: {report.why}"
    return pairs(
        f"Node of {report.slug} in {report.network}",
        {
            "height": report.height,
            "state root": report.state_root,
            "view, primary": f"{report.view}, member {report.primary}",
            "voting": voting,
            "transactions": report.transactions,
            "commit latency p50/p95/p99 (ms)": f"{p50:.1f} / {p95:.1f} / {p99:.1f}",
            "start to first commit (ms)": report.first_commit_ms or "-",
            "uptime (s)": report.uptime_ms // 1_000,
            "memory (MB)": size(report.rss_bytes),
            "disk (MB)": size(report.disk_bytes),
        },
    )


def _links(report: StatusReport) -> object:
    now_ms = time.time_ns() // 1_000_000
    rows = [
        (
            link.member,
            link.slug,
            "up" if link.up else "down",
            link.height,
            (now_ms - link.last_heard_ms) / 1_000 if link.last_heard_ms > 0 else None,
            link.queued_bytes,
        )
        for link in report.links
    ]
    return table("Links", ("member", "id", "link", "height", "last heard (s ago)", "queued (bytes)"), rows)
