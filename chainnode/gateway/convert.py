"""Between the messages of gateway.proto and the plain values of chainnode.node.api."""

from collections.abc import Iterable
from dataclasses import asdict

from chainnode.gateway import gateway_pb2 as pb
from chainnode.gateway.errors import REQUEST_MALFORMED
from chainnode.gateway.limits import MAX_MACS, MAX_TIMEOUT_MS
from chainnode.node.api import (
    BlockView,
    ChainInfo,
    Entry,
    EventView,
    EvidenceView,
    Half,
    LinkReport,
    Outcome,
    Part,
    Refused,
    Stamp,
    StatusReport,
    SubmitResult,
)

_TO_OUTCOME = {
    Outcome.COMMITTED: pb.SubmitReply.COMMITTED,
    Outcome.TURNED_AWAY: pb.SubmitReply.TURNED_AWAY,
    Outcome.BUSY: pb.SubmitReply.BUSY,
    Outcome.PENDING: pb.SubmitReply.PENDING,
}
_FROM_OUTCOME = {number: outcome for outcome, number in _TO_OUTCOME.items()}


def exact(name: str, value: bytes, length: int) -> bytes:
    """`value`, or Refused where it has not `length` bytes."""
    if len(value) != length:
        raise Refused(REQUEST_MALFORMED, f"{name} has {len(value)} bytes, {length} are needed")
    return value


def at_most(name: str, value: int, limit: int) -> int:
    """`value`, or Refused where it is above `limit`."""
    if value > limit:
        raise Refused(REQUEST_MALFORMED, f"{name} is {value}, at most {limit} are taken")
    return value


def timeout(value: int) -> int:
    """A caller's timeout in ms, cut to what the node waits at most."""
    return min(value, MAX_TIMEOUT_MS)


def macs(values: Iterable[bytes]) -> list[bytes]:
    """MACs of 16 to 32 bytes, or Refused."""
    given = list(values)
    at_most("the number of MACs", len(given), MAX_MACS)
    if not all(16 <= len(mac) <= 32 for mac in given):
        raise Refused(REQUEST_MALFORMED, "a MAC has not 16 to 32 bytes")
    return given


def parts(values: Iterable[pb.Part]) -> list[Part]:
    return [Part(exact("object_id", part.object_id, 16), part.sealed) for part in values]


def status_reply(report: StatusReport) -> pb.StatusReply:
    p50, p95, p99 = report.commit_latency_ms
    return pb.StatusReply(
        member=report.member,
        slug=report.slug,
        network=report.network,
        height=report.height,
        state_root=report.state_root,
        view=report.view,
        primary=report.primary,
        voting=report.voting,
        why=report.why,
        uptime_ms=report.uptime_ms,
        first_commit_ms=report.first_commit_ms,
        rss_bytes=report.rss_bytes,
        disk_bytes=report.disk_bytes,
        transactions=report.transactions,
        commit_latency_p50_ms=p50,
        commit_latency_p95_ms=p95,
        commit_latency_p99_ms=p99,
        quorum=report.quorum,
        free_bytes=report.free_bytes,
        alarms=report.alarms,
        observes=report.observes,
        quorum_lost=report.quorum_lost,
        links=[
            pb.Link(
                member=link.member,
                slug=link.slug,
                up=link.up,
                height=link.height,
                last_heard_ms=link.last_heard_ms,
                queued_bytes=link.queued_bytes,
                observes=link.observes,
            )
            for link in report.links
        ],
    )


def status_report(reply: pb.StatusReply) -> StatusReport:
    return StatusReport(
        member=reply.member,
        slug=reply.slug,
        network=reply.network,
        height=reply.height,
        state_root=reply.state_root,
        view=reply.view,
        primary=reply.primary,
        voting=reply.voting,
        why=reply.why,
        uptime_ms=reply.uptime_ms,
        first_commit_ms=reply.first_commit_ms,
        rss_bytes=reply.rss_bytes,
        disk_bytes=reply.disk_bytes,
        transactions=reply.transactions,
        commit_latency_ms=(
            reply.commit_latency_p50_ms,
            reply.commit_latency_p95_ms,
            reply.commit_latency_p99_ms,
        ),
        quorum=reply.quorum,
        free_bytes=reply.free_bytes,
        alarms=tuple(reply.alarms),
        observes=reply.observes,
        quorum_lost=reply.quorum_lost,
        links=tuple(
            LinkReport(
                link.member,
                link.slug,
                link.up,
                link.height,
                link.last_heard_ms,
                link.queued_bytes,
                link.observes,
            )
            for link in reply.links
        ),
    )


def evidence_reply(found: Iterable[EvidenceView]) -> pb.EvidenceReply:
    return pb.EvidenceReply(items=[pb.EvidenceItem(**asdict(one)) for one in found])


def evidence_views(reply: pb.EvidenceReply) -> tuple[EvidenceView, ...]:
    return tuple(
        EvidenceView(
            one.id,
            one.member,
            one.epoch,
            one.message,
            one.slot,
            one.view,
            one.size_bytes,
            one.reported_height,
        )
        for one in reply.items
    )


def info_reply(info: ChainInfo) -> pb.InfoReply:
    return pb.InfoReply(
        chain_id=info.chain_id,
        network=info.network,
        member=info.member,
        members=[pb.Member(number=number, slug=slug, name=name) for number, slug, name in info.members],
        height=info.height,
        time_ms=info.time_ms,
        validity_heights=info.validity_heights,
        genesis=info.genesis,
    )


def chain_info(reply: pb.InfoReply) -> ChainInfo:
    return ChainInfo(
        chain_id=reply.chain_id,
        network=reply.network,
        member=reply.member,
        members=tuple((member.number, member.slug, member.name) for member in reply.members),
        height=reply.height,
        time_ms=reply.time_ms,
        validity_heights=reply.validity_heights,
        genesis=reply.genesis,
    )


def submit_reply(result: SubmitResult) -> pb.SubmitReply:
    return pb.SubmitReply(
        transaction_id=result.transaction_id,
        outcome=_TO_OUTCOME[result.outcome],
        height=result.height,
        code=result.code,
        detail=result.detail,
        statement=result.statement,
    )


def submit_result(reply: pb.SubmitReply) -> SubmitResult:
    # An outcome that this client does not know says nothing: treat it as not known yet.
    outcome = _FROM_OUTCOME.get(reply.outcome, Outcome.PENDING)
    return SubmitResult(
        reply.transaction_id, outcome, reply.height, reply.code, reply.detail, reply.statement
    )


def stamp_message(stamp: Stamp) -> pb.Stamp:
    return pb.Stamp(
        height=stamp.height,
        header_hash=stamp.header_hash,
        time_ms=stamp.time_ms,
        certificate=stamp.certificate,
    )


def stamp(message: pb.Stamp) -> Stamp:
    return Stamp(message.height, message.header_hash, message.time_ms, message.certificate)


def entry(message: pb.Entry) -> Entry:
    return Entry(message.key, message.value)


def block_reply(block: BlockView) -> pb.BlockReply:
    return pb.BlockReply(
        height=block.height,
        header_hash=block.header_hash,
        header=block.header,
        certificate=block.certificate,
        transactions=[
            pb.BlockTransaction(id=id_, kind=kind, code=code) for id_, kind, code in block.transactions
        ],
    )


def block_view(reply: pb.BlockReply) -> BlockView:
    return BlockView(
        reply.height,
        reply.header_hash,
        reply.header,
        reply.certificate,
        tuple((item.id, item.kind, item.code) for item in reply.transactions),
    )


def event_reply(event: EventView) -> pb.EventReply:
    return pb.EventReply(
        height=event.height, index=event.index, kind=event.kind, event=event.event, text=event.text
    )


def event_view(reply: pb.EventReply) -> EventView:
    return EventView(reply.height, reply.index, reply.kind, reply.event, reply.text)


def half_reply(half: Half) -> pb.HalfReply:
    return pb.HalfReply(pointer=half.pointer, study=half.study, policy=half.policy, wrapped=half.wrapped)


def half(reply: pb.HalfReply) -> Half:
    return Half(reply.pointer, reply.study, reply.policy, reply.wrapped)
