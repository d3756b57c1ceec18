"""`chainnode status`."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from chainnode.cli.options import HeightOption, HomeOption, JsonOption, SocketOption, StrongOption, Target
from chainnode.cli.output import pairs, show, size, table
from chainnode.cli.whyviews import view_name, why_tables
from chainnode.gateway.client import GatewayClient
from chainnode.node.api import ChainInfo, Role, StatusReport
from chainnode.node.config import load_config
from chainnode.node.peerlist import check_peers
from chainnode.node.whyreport import can_stop
from genesis.document import load_genesis
from genesis.errors import EXIT_REFUSED, OperatorError

app = typer.Typer(add_completion=False)

FEW = 5
"""Below so many transactions a percentile says nothing."""


@app.command()
def status(
    home: HomeOption = None,
    socket: SocketOption = None,
    min_height: HeightOption = 0,
    strong: StrongOption = False,
    why: Annotated[
        bool, typer.Option("--why", help="What it waits for: votes that are missing, timers, each peer.")
    ] = False,
    may_stop: Annotated[
        bool,
        typer.Option(
            "--can-stop", help="Whether the others go on without this node. Exit code 0: yes, 5: no."
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """The node, its height and its links."""
    target = Target(home, socket, Role.SYSADMIN, min_height, strong=strong)
    if why or may_stop:
        _explain(target, why=why, may_stop=may_stop, json=json)
        return
    config = load_config(home) if home is not None and socket is None else None
    try:
        report, info = target.call(_ask)
    except OperatorError:
        # Why the node is not there may well be that it would not start with this file. Once a chain is here,
        # it alone knows all members.
        first = config is not None and not (config.store_folder / "chain").exists()
        if first and config is not None and config.genesis_file.exists():
            check_peers(config, [member.id for member in load_genesis(config.genesis_file).members])
        raise
    data = asdict(report)
    show(data, _node(report), _links(report), *filter(None, [report.quorum_lost, *report.alarms]), json=json)
    if config is not None:
        check_peers(config, [slug for _, slug, _ in info.members])


def _explain(target: Target, *, why: bool, may_stop: bool, json: bool) -> None:
    report = target.call(lambda client: client.why())
    answer = can_stop(report)
    data: dict[str, object] = asdict(report) if why else {}
    shown = why_tables(report) if why else []
    if may_stop:
        data |= {"can_stop": answer.yes, "because": answer.because}
        shown.append(f"{'yes' if answer.yes else 'no'}: {answer.because}")
    show(data, *shown, json=json)
    if may_stop and not answer.yes:
        raise typer.Exit(EXIT_REFUSED)


async def _ask(client: GatewayClient) -> tuple[StatusReport, ChainInfo]:
    return await client.status(), await client.info()


def _node(report: StatusReport) -> object:
    enough = report.transactions >= FEW and any(report.commit_latency_ms)
    latency = " / ".join(f"{one:.1f}" for one in report.commit_latency_ms) if enough else "-"
    names = {report.member: report.slug, **{link.member: link.slug for link in report.links}}
    voting = "yes" if report.voting else f"no: {report.why}"
    voters, own = [link for link in report.links if not link.observes], not report.observes
    return pairs(
        f"Node of {report.slug} in {report.network}",
        {
            "height": report.height,
            "state root": report.state_root,
            "view, primary": f"{view_name(report.view)}, {names.get(report.primary, report.primary)}",
            "voting": voting,
            "members linked": f"{sum(link.up for link in voters) + own} of {len(voters) + own}, "
            f"{report.quorum} needed",
            "transactions": report.transactions,
            "commit latency p50/p95/p99 (ms)": latency,
            "start to first commit (ms)": report.first_commit_ms or "-",
            "uptime (s)": report.uptime_ms // 1_000,
            "memory (MB)": size(report.rss_bytes),
            "disk used, free (MB)": f"{size(report.disk_bytes)}, {size(report.free_bytes)}",
        },
    )


def _links(report: StatusReport) -> object:
    now_ms = time.time_ns() // 1_000_000
    rows = [
        (
            link.slug,
            "up" if link.up else "down",
            link.height,
            (now_ms - link.last_heard_ms) / 1_000 if link.last_heard_ms > 0 else None,
            link.queued_bytes,
        )
        for link in report.links
    ]
    return table("Links", ("member", "link", "height", "last heard (s ago)", "queued (bytes)"), rows)
