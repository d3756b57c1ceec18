"""What a node offers to its local users: the port that the gateway serves and the daemon fills.

Values are plain: ids and keys are bytes, records are canonical MessagePack as they stand in the state.
Every answer about the chain carries the height and certificate it rests on.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

from chainnode.node.whyreport import WhyReport


class Role(StrEnum):
    """One socket each; the Unix owner and mode of the socket tell callers apart."""

    SYSADMIN = "sysadmin"
    STEWARD = "steward"
    RESEARCHER = "researcher"


class Outcome(StrEnum):
    """What became of a submitted transaction by the time of the answer."""

    COMMITTED = "committed"  # certified; `code` is "ok" or the rule that refused it
    TURNED_AWAY = "turned-away"  # this node's own signed statement, nothing went on chain
    BUSY = "busy"  # queues are full, try again later
    PENDING = "pending"  # no certificate before the timeout; it may still be included


@dataclass(frozen=True, slots=True)
class Stamp:
    """As of which certified block an answer holds. `certificate`: encoded QuorumCertificate."""

    height: int
    header_hash: bytes
    time_ms: int
    certificate: bytes


@dataclass(frozen=True, slots=True)
class ChainInfo:
    chain_id: bytes
    network: str
    member: int
    members: tuple[tuple[int, str, str], ...]  # number, slug, name
    height: int
    time_ms: int
    validity_heights: int
    genesis: bytes


@dataclass(frozen=True, slots=True)
class Part:
    """One object's half, sealed to the project's key."""

    object_id: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """`code`: "ok" or a rule; `detail`: a sentence; `statement`: the node's signed AdmissionRefusal,
    encoded, where it was turned away."""

    transaction_id: bytes
    outcome: Outcome
    height: int = 0
    code: str = ""
    detail: str = ""
    statement: bytes = b""


@dataclass(frozen=True, slots=True)
class Entry:
    key: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class ReadResult:
    entries: tuple[Entry, ...]
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class ObjectUpload:
    """What intake hands over for one object: ciphertext, W_h (sealed to the study), recipients (W_p)."""

    object_id: bytes
    ciphertext: bytes
    hospital_wrap: bytes
    recipients: bytes


@dataclass(frozen=True, slots=True)
class AnchorOrder:
    """`pointers`: encoded ObjectPointers; `policy`: encoded UsePolicy; `seen`: idempotency MACs that
    count once the anchor is on chain."""

    department: str
    study: str
    policy: bytes
    pointers: tuple[bytes, ...]
    sealed_key: bytes
    report_digest: bytes
    seen: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Half:
    """An object of a request and the wrapped half that a signer is to open: W_h for the head,
    the recipients list (W_p) for the patient."""

    pointer: bytes
    study: str
    policy: bytes
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class ReleasedObject:
    """One decrypted object. `rule` is empty, or why it could not be opened (then no plaintext)."""

    object_id: bytes
    pseudonym: bytes
    data_class: str
    plaintext: bytes
    rule: str = ""


@dataclass(frozen=True, slots=True)
class BlockView:
    """`header`, `certificate`: encoded; `transactions`: (id, kind, result code) in order."""

    height: int
    header_hash: bytes
    header: bytes
    certificate: bytes
    transactions: tuple[tuple[bytes, str, str], ...]


@dataclass(frozen=True, slots=True)
class EventView:
    """`event`: an encoded ledger Event; `text`: the same in words."""

    height: int
    index: int
    kind: str
    event: bytes
    text: str


@dataclass(frozen=True, slots=True)
class LinkReport:
    member: int
    slug: str
    up: bool
    height: int
    last_heard_ms: int
    queued_bytes: int
    observes: bool = False


@dataclass(frozen=True, slots=True)
class StatusReport:
    """`voting` is False while a guard keeps this node from voting; `why` says which, in words. `quorum`: of
    how many members votes are needed to commit. `free_bytes`: on the home's disk. `alarms`: sentences on
    what an operator has to mend: a disk nearly full, a clock that is off, evidence, a restored backup.
    `observes`: the member does not vote at this height. `quorum_lost`: why nothing can be committed now, as
    far as links and the peers' own words show it; empty where it can."""

    member: int
    slug: str
    network: str
    height: int
    state_root: bytes
    view: int
    primary: int
    voting: bool
    why: str
    uptime_ms: int
    first_commit_ms: int
    rss_bytes: int
    disk_bytes: int
    transactions: int
    commit_latency_ms: tuple[float, float, float]  # p50, p95, p99 to the certificate, this node's own
    quorum: int
    links: tuple[LinkReport, ...] = field(default=())
    free_bytes: int = 0
    alarms: tuple[str, ...] = ()
    observes: bool = False
    quorum_lost: str = ""


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """Two messages that convict a member (see consensus.equivocation.Equivocation). `reported_height`: of the
    block that has it on record, 0 where none does."""

    id: bytes
    member: int
    epoch: int
    message: str
    slot: int
    view: int
    size_bytes: int
    reported_height: int


class Refused(Exception):
    """A request that this node does not carry out, by a rule. `rule` is a code, `detail` a sentence."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule
        self.detail = detail


class NotFound(Refused):
    """There is no such thing as of the height that was asked for."""


class ReadTimeout(Refused):
    """`min_height` was not reached in time."""


DeliveryReport: TypeAlias = dict[str, int | list[str]]
"""Of an authorised release at the requester: `authorised`, `parts` and `objects` are counts; `trustees`,
where objects are released by standing consents, says in words who has answered, who not, and whose part is
false."""


class NodeApi(Protocol):
    """All methods are called on the node's event loop. They raise Refused, or OperatorError."""

    def status(self) -> StatusReport: ...

    def info(self) -> ChainInfo: ...

    def why(self) -> WhyReport:
        """What this node waits for, peer by peer."""
        ...

    def evidence(self) -> tuple[EvidenceView, ...]:
        """All evidence of equivocation that this node keeps."""
        ...

    def evidence_file(self, evidence_id: bytes) -> bytes:
        """One of them as a file that `verify` checks offline. Raises NotFound."""
        ...

    def backup(self, *, objects: bool) -> AsyncIterator[bytes]:
        """What this node alone holds, as of now, in pieces (see chainnode.node.archive). `objects`: the
        ciphertexts of a local pool too."""
        ...

    async def submit(
        self, submission: bytes, parts: Sequence[Part], *, client: str, timeout_ms: int
    ) -> SubmitResult:
        """Take in an encoded Submission. `parts` go with a Grant whose parts_digest names them; they
        are kept until the release. `client`: the local user, for fairness and the log. Waits for the
        certificate up to `timeout_ms`."""
        ...

    async def read(
        self, key: bytes, *, prefix: bool, limit: int, min_height: int, strong: bool, timeout_ms: int
    ) -> ReadResult:
        """State records at `key` (or below it) as of the latest certified block. `strong`: of one that holds
        whatever any node had certified before this call (a barrier is ordered first)."""
        ...

    async def row(self, row_digest: bytes) -> bytes:
        """An erasable row's data; NotFound where it was erased."""
        ...

    async def block(self, height: int) -> BlockView: ...

    async def transaction(self, transaction_id: bytes) -> tuple[int, str, bytes]:
        """(height, result code, encoded SignedTransaction)."""
        ...

    async def object(self, object_id: bytes) -> tuple[bytes, bytes, bool]:
        """(encoded ObjectPointer, encoded BatchRecord, whether this node holds the ciphertext)."""
        ...

    def blocks(self, from_height: int) -> AsyncIterator[BlockView]:
        """Certified blocks from `from_height` on, then as they come."""
        ...

    def events(self, from_height: int) -> AsyncIterator[EventView]:
        """Events of certified blocks from `from_height` on, then as they come."""
        ...

    async def state_proof(
        self, keys: Sequence[bytes], *, min_height: int, strong: bool, timeout_ms: int
    ) -> bytes:
        """Encoded ledger.answer.StateProofs of these entries as of the newest block, certified by now."""
        ...

    def stretch(self, first: int, last: int, *, headers_only: bool) -> AsyncIterator[bytes]:
        """Encoded ledger.stretch.ProvenBlocks from one height to another, then their Certification."""
        ...

    def intake_key(self, department: str) -> bytes:
        """The department's local key (32 bytes) for MACs of identifiers; never leaves the hospital."""
        ...

    async def link_subject(self, macs: Sequence[bytes], handle: bytes) -> None:
        """Remember locally which handle a patient's identifiers belong to (MACs, never identifiers)."""
        ...

    async def resolve_subject(self, macs: Sequence[bytes]) -> bytes | None:
        """The handle that any of the MACs was linked to."""
        ...

    async def seen(self, macs: Sequence[bytes]) -> tuple[bool, ...]:
        """Which intakes were anchored before."""
        ...

    async def put_object(self, upload: ObjectUpload) -> None:
        """Store an object before it is anchored. Idempotent; other bytes under the same id are Refused."""
        ...

    async def anchor(self, order: AnchorOrder, *, client: str, timeout_ms: int) -> SubmitResult:
        """Sign AnchorRecords with the node's key and submit it."""
        ...

    async def halves(self, request_id: bytes, *, role: str, handle: bytes, department: str) -> list[Half]:
        """The objects of a request held here that a signer may speak for: role "head" with its
        department, or role "patient" with its handle."""
        ...

    async def receipt(self, request_id: bytes, height: int) -> bytes:
        """The release or refusal receipt; `height` 0: the latest."""
        ...

    async def delivery(self, request_id: bytes) -> DeliveryReport:
        """At the requester: what of an authorised release has arrived, and whom it waits for."""
        ...

    def fetch(self, request_id: bytes, project_sealing_private: bytes) -> AsyncIterator[ReleasedObject]:
        """At the requester: check, combine, decrypt, object by object."""
        ...
