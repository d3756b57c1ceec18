"""Files that prove what stands on the chain, and what does not: answers on a consent, audits of a range."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chainnode.cli.actions.base import member_number
from chainnode.cli.actions.requests import resolve_request
from chainnode.cli.errors import usage
from chainnode.cli.next_steps import command
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.answer import ConsentAnswer, StateProofs, answer_keys, encode_answer, verify_answer
from chainnode.ledger.audit import (
    MAX_AUDIT_BYTES,
    MAX_AUDIT_HEIGHTS,
    MAX_KNOWN,
    AuditReport,
    encode_audit,
    follow,
    verify_audit,
)
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.founding import Founding, founding_of
from chainnode.ledger.stretch import Certification, ProvenBlock
from chainnode.ledger.subjects import HOSPITAL, PROJECT, Trail
from chainnode.node.api import NotFound, Refused
from consensus.codec import decode
from genesis.document import parse_genesis
from genesis.keys import verify

PRUNED = "pruned"
BETWEEN_HEIGHTS = 100
"""So often progress is told."""
Progress = Callable[[int, int], None]
"""(heights read, heights in all)"""


@dataclass(frozen=True, slots=True)
class Answered:
    data: bytes
    answer: ConsentAnswer


@dataclass(frozen=True, slots=True)
class Audited:
    """`traced`: all that was tied to the subject before the range was looked up; False where this node keeps
    no blocks so old."""

    data: bytes
    report: AuditReport
    traced: bool


async def founding(client: GatewayClient) -> Founding:
    """The founding document as the node has it."""
    return founding_of(parse_genesis((await client.info()).genesis))


async def certified_height(client: GatewayClient) -> int:
    """The newest height that the node can prove."""
    return (await client.read(keys.GENESIS, limit=1)).stamp.height


async def answer_consent(
    client: GatewayClient, handle: bytes, request: str, *, min_height: int = 0, strong: bool = False
) -> Answered:
    """What the patient's consent is as of now, and with `request` (digits of its id) to this application.

    Raises NotFound, ReadTimeout, OperatorError CLI-01.
    """
    request_id = await resolve_request(client, request) if request else b""
    names = answer_keys(handle, request_id)
    encoded = await client.state_proof(names, min_height=min_height, strong=strong)
    proofs = decode(encoded, StateProofs, limit_bytes=MAX_AUDIT_BYTES)
    height = proofs.header.height
    *_, last = [item async for item in client.stretch(height, height, headers_only=True)]
    data = encode_answer(handle, request_id, proofs, _certification(last))
    known = await founding(client)
    with _as_refusal():
        return Answered(data, verify_answer(data, known, verify=verify))


async def subject_id(client: GatewayClient, kind: str, given: str) -> str:
    """The id of a subject as an audit has it. Raises NotFound, OperatorError CLI-01."""
    if kind == HOSPITAL:
        return str(member_number(await client.info(), given))
    if kind == PROJECT and "/" in given:
        slug, _, rest = given.partition("/")
        return f"{member_number(await client.info(), slug)}/{rest}"
    if kind == PROJECT:
        return (await resolve_request(client, given)).hex()
    return given.lower()


async def audit(
    client: GatewayClient,
    kind: str,
    id_: str,
    first: int,
    last: int,
    progress: Progress = lambda done, of: None,
) -> Audited:
    """All about a subject from height `first` to `last` (0: the newest). `id_`: see `subject_id`.

    The blocks before `first` are read too, for what ties applications and objects to the subject. Raises
    NotFound (a height that is not there, or was pruned), OperatorError CLI-01 (too long a range).
    """
    last = last or await certified_height(client)
    if not 1 <= first <= last:
        raise usage(
            f"heights {first} to {last} are no range", command("status", remark="shows the newest height")
        )
    trail, traced = Trail(kind, id_), True
    if first > 1:
        try:
            await _read(client, trail, 1, first - 1, lambda done: progress(done, last), keep=False)
        except NotFound as error:
            if error.rule != PRUNED:
                raise
            trail, traced = Trail(kind, id_), False
    known = trail.known() if first > 1 else []
    if len(known) > MAX_KNOWN:
        raise usage(
            f"{len(known)} objects and applications were tied to it before height {first}, a file names "
            f"{MAX_KNOWN}",
            "begin at an earlier height: what is tied within the range needs no naming",
        )
    blocks, certification = await _read(
        client, trail, first, last, lambda done: progress(first - 1 + done, last), keep=True
    )
    data = encode_audit(trail, known, blocks, certification)
    document = await founding(client)
    with _as_refusal():
        return Audited(data, verify_audit(data, document, verify=verify), traced)


async def _read(
    client: GatewayClient, trail: Trail, first: int, last: int, told: Callable[[int], None], *, keep: bool
) -> tuple[list[ProvenBlock], Certification]:
    """Follow the trail through a range; the blocks, if they are to be kept. Raises NotFound, Refused."""
    if keep and last - first >= MAX_AUDIT_HEIGHTS:
        raise _too_long(first, last)
    blocks: list[ProvenBlock] = []
    size = done = 0
    item = b""
    async for item in client.stretch(first, last):
        if done == last - first + 1:
            break
        block = decode(item, ProvenBlock, limit_bytes=MAX_AUDIT_BYTES)
        done += 1
        with _as_refusal():
            for _ in follow(trail, block):
                pass
        if keep:
            blocks.append(block)
            size += len(item)
            if size > MAX_AUDIT_BYTES:
                raise _too_long(first, last)
        if done % BETWEEN_HEIGHTS == 0:
            told(done)
    return blocks, _certification(item)


def _too_long(first: int, last: int) -> Exception:
    return usage(
        f"the blocks from height {first} to {last} do not fit an audit: it has at most "
        f"{MAX_AUDIT_HEIGHTS} heights and {MAX_AUDIT_BYTES} bytes",
        "make one audit after the other, with --from and --to",
    )


def _certification(data: bytes) -> Certification:
    return decode(data, Certification, limit_bytes=MAX_AUDIT_BYTES)


@contextmanager
def _as_refusal() -> Iterator[None]:
    """What the node gave is looked at before it is handed on."""
    try:
        yield
    except VerificationError as error:
        raise Refused(error.rule, error.detail) from None
