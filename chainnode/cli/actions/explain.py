"""`consent explain`: the evaluator of the chain on what a node says stands now, and its reasons in words.

Facts are read from the node one by one, each only when the evaluator asks for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from chainnode.cli.actions import consent_words as words
from chainnode.cli.actions.requests import request_record
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys, view
from chainnode.ledger.decision import Weighed, weigh
from chainnode.ledger.evaluate import version_at
from chainnode.ledger.payloads import ROLE_HEAD, ROLE_PATIENT, ROLE_STEWARD
from chainnode.ledger.records import ObjectIndex
from chainnode.ledger.transaction import Row
from chainnode.ledger.view import Reader
from chainnode.node.api import ChainInfo, NotFound, Refused
from consensus.codec import encode

T = TypeVar("T")

OBJECT_PREFIX = keys.object_index(b"")
PATIENT_MISSING = "patient-not-signed"
MISSING = (PATIENT_MISSING, "steward-not-signed", "head-not-signed")


@dataclass(frozen=True, slots=True)
class Reason:
    """A standing consent in a verdict. `path`: its deciding provision's place, "" where it says nothing."""

    consent_id: bytes
    answer: str
    path: str
    decides: bool
    words: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict that one object would get now, and why. `lacking`: the roles whose signatures are missing,
    where nothing else refuses it."""

    object_id: bytes
    rule: str
    basis: str
    words: str
    reasons: tuple[Reason, ...]
    lacking: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """`version`: the evaluator's; as of the node's block at `height`, of `time_ms`."""

    version: int
    height: int
    time_ms: int
    objects: tuple[Explanation, ...]


class _Missing(Exception):
    """No error: it says what to fetch next."""

    def __init__(self, kind: str, name: bytes) -> None:
        self.kind, self.name = kind, name


@dataclass(slots=True)
class _Fetched:
    """A Reader, and a lookup of rows, over what was fetched so far."""

    entries: dict[bytes, bytes | None] = field(default_factory=dict)
    objects: dict[bytes, bytes] = field(default_factory=dict)
    rows: dict[bytes, Row | None] = field(default_factory=dict)

    def get(self, key: bytes) -> bytes | None:
        if key not in self.entries:
            raise _Missing("entry", key)
        return self.entries[key]

    def index(self, key: bytes) -> bytes | None:
        if key not in self.objects:
            raise _Missing("object", key)
        return self.objects[key]

    def row(self, digest: bytes) -> Row | None:
        if digest not in self.rows:
            raise _Missing("row", digest)
        return self.rows[digest]

    async def fetch(self, client: GatewayClient, missing: _Missing) -> None:
        if missing.kind == "entry":
            found = (await client.read(missing.name, limit=1)).entries
            self.entries[missing.name] = found[0].value if found else None
        elif missing.kind == "row":
            try:
                self.rows[missing.name] = Row(b"", await client.row(missing.name))
            except Refused:
                self.rows[missing.name] = None
        else:
            object_id = missing.name.removeprefix(OBJECT_PREFIX)
            pointer, batch, _ = await client.object(object_id)
            # Only a batch's record is asked for by its root, so any name does that is its own.
            self.objects[missing.name] = encode(ObjectIndex(object_id, 0, pointer))
            self.entries[keys.batch(object_id)] = batch


async def explain(client: GatewayClient, request_id: bytes, objects: Sequence[bytes] = ()) -> Explained:
    """What a release would decide now on each object of an application, or on some.

    Raises NotFound, where an object is not part of it too.
    """
    request, info = await request_record(client, request_id), await client.info()
    for object_id in objects:
        if object_id not in request.objects:
            raise NotFound("not-in-request", f"object {object_id.hex()} is not part of the application")
    fetched, height = _Fetched(), info.height + 1
    version = await _complete(client, fetched, lambda: version_at(fetched, height))
    found = []
    for object_id in objects or request.objects:
        work = partial(
            weigh,
            fetched,
            fetched.row,
            request_id=request_id,
            request=request,
            object_id=object_id,
            time_ms=info.time_ms,
            version=version,
        )
        weighed = await _complete(client, fetched, work)
        lacking = await _complete(client, fetched, partial(_lacking, fetched, request_id, object_id, weighed))
        found.append(_explanation(object_id, weighed, lacking, info))
    return Explained(version, info.height, info.time_ms, tuple(found))


async def _complete(client: GatewayClient, fetched: _Fetched, work: Callable[[], T]) -> T:
    """What `work` gives once everything that it asks `fetched` for is there."""
    while True:
        try:
            return work()
        except _Missing as missing:
            await fetched.fetch(client, missing)


def _lacking(reader: Reader, request_id: bytes, object_id: bytes, weighed: Weighed) -> tuple[str, ...]:
    """Every signature that is still missing, where the verdict names the first; none where more is wrong."""
    if weighed.verdict.rule not in MISSING:
        return ()
    found = view.object_index(reader, object_id)
    batch = view.batch(reader, found.batch_root) if found is not None else None
    assert batch is not None, "an object that was weighed has its batch"
    lacking = [ROLE_PATIENT] if weighed.verdict.rule == PATIENT_MISSING else []
    for role, slug in ((ROLE_STEWARD, ""), (ROLE_HEAD, batch.department)):
        grant = view.grant(reader, request_id, role, number=batch.member, slug=slug)
        if grant is None or (grant.objects and object_id not in grant.objects):
            lacking.append(role)
    return tuple(lacking)


def _explanation(
    object_id: bytes, weighed: Weighed, lacking: tuple[str, ...], info: ChainInfo
) -> Explanation:
    decided, answers = words.deciding(weighed), words.answers(weighed)
    reasons = tuple(
        Reason(
            record.consent_id,
            answers[at].type,
            words.place(answers[at].path) if answers[at].type else "",
            at in decided,
            words.consent_words(weighed, at, info),
        )
        for at, record in enumerate(weighed.consents)
    )
    verdict = weighed.verdict
    more = f" Signatures missing: {', '.join(lacking)}." if lacking else ""
    said = words.verdict_words(weighed) + more
    return Explanation(object_id, verdict.rule, verdict.basis, said, reasons, lacking)
