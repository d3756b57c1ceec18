"""`chainnode status`."""

import time
from dataclasses import asdict

import typer

from chainnode.cli.options import HeightOption, HomeOption, JsonOption, SocketOption, Target
from chainnode.cli.output import pairs, show, size, table
from chainnode.gateway.client import GatewayClient
from chainnode.node.api import ChainInfo, Role, StatusReport
from chainnode.node.config import load_config
from chainnode.node.peerlist import check_peers
from genesis.document import load_genesis
from genesis.errors import OperatorError

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
    config = load_config(home) if home is not None and socket is None else None
    try:
        report, info = target.call(_ask)
    except OperatorError:
        if config is not None and config.genesis_file.exists():
            # Why the node is not there may well be that it would not start with this file.
            check_peers(config, [member.id for member in load_genesis(config.genesis_file).members])
        raise
    data = asdict(report) | {"quorum_lost": report.quorum_lost}
    show(data, _node(report), _links(report), *filter(None, [report.quorum_lost]), json=json)
    if config is not None:
        check_peers(config, [slug for _, slug, _ in info.members])


async def _ask(client: GatewayClient) -> tuple[StatusReport, ChainInfo]:
    return await client.status(), await client.info()


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
            "members linked": f"{sum(link.up for link in report.links) + 1} of {len(report.links) + 1}, "
            f"{report.quorum} needed",
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
