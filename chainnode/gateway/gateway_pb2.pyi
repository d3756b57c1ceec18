from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorDetail(_message.Message):
    __slots__ = ("kind", "code", "what", "unchanged", "next_step", "exit_code", "meaning")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[ErrorDetail.Kind]
        OPERATOR: _ClassVar[ErrorDetail.Kind]
        REFUSED: _ClassVar[ErrorDetail.Kind]
        NOT_FOUND: _ClassVar[ErrorDetail.Kind]
        READ_TIMEOUT: _ClassVar[ErrorDetail.Kind]
    KIND_UNSPECIFIED: ErrorDetail.Kind
    OPERATOR: ErrorDetail.Kind
    REFUSED: ErrorDetail.Kind
    NOT_FOUND: ErrorDetail.Kind
    READ_TIMEOUT: ErrorDetail.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    UNCHANGED_FIELD_NUMBER: _ClassVar[int]
    NEXT_STEP_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    kind: ErrorDetail.Kind
    code: str
    what: str
    unchanged: str
    next_step: str
    exit_code: int
    meaning: str
    def __init__(self, kind: _Optional[_Union[ErrorDetail.Kind, str]] = ..., code: _Optional[str] = ..., what: _Optional[str] = ..., unchanged: _Optional[str] = ..., next_step: _Optional[str] = ..., exit_code: _Optional[int] = ..., meaning: _Optional[str] = ...) -> None: ...

class Stamp(_message.Message):
    __slots__ = ("height", "header_hash", "time_ms", "certificate")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    HEADER_HASH_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    height: int
    header_hash: bytes
    time_ms: int
    certificate: bytes
    def __init__(self, height: _Optional[int] = ..., header_hash: _Optional[bytes] = ..., time_ms: _Optional[int] = ..., certificate: _Optional[bytes] = ...) -> None: ...

class StatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Link(_message.Message):
    __slots__ = ("member", "slug", "up", "height", "last_heard_ms", "queued_bytes", "observes")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    SLUG_FIELD_NUMBER: _ClassVar[int]
    UP_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    LAST_HEARD_MS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_BYTES_FIELD_NUMBER: _ClassVar[int]
    OBSERVES_FIELD_NUMBER: _ClassVar[int]
    member: int
    slug: str
    up: bool
    height: int
    last_heard_ms: int
    queued_bytes: int
    observes: bool
    def __init__(self, member: _Optional[int] = ..., slug: _Optional[str] = ..., up: _Optional[bool] = ..., height: _Optional[int] = ..., last_heard_ms: _Optional[int] = ..., queued_bytes: _Optional[int] = ..., observes: _Optional[bool] = ...) -> None: ...

class StatusReply(_message.Message):
    __slots__ = ("member", "slug", "network", "height", "state_root", "view", "primary", "voting", "why", "uptime_ms", "first_commit_ms", "rss_bytes", "disk_bytes", "transactions", "commit_latency_p50_ms", "commit_latency_p95_ms", "commit_latency_p99_ms", "links", "quorum", "free_bytes", "alarms", "observes", "quorum_lost")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    SLUG_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    STATE_ROOT_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    PRIMARY_FIELD_NUMBER: _ClassVar[int]
    VOTING_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    UPTIME_MS_FIELD_NUMBER: _ClassVar[int]
    FIRST_COMMIT_MS_FIELD_NUMBER: _ClassVar[int]
    RSS_BYTES_FIELD_NUMBER: _ClassVar[int]
    DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    COMMIT_LATENCY_P50_MS_FIELD_NUMBER: _ClassVar[int]
    COMMIT_LATENCY_P95_MS_FIELD_NUMBER: _ClassVar[int]
    COMMIT_LATENCY_P99_MS_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    QUORUM_FIELD_NUMBER: _ClassVar[int]
    FREE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ALARMS_FIELD_NUMBER: _ClassVar[int]
    OBSERVES_FIELD_NUMBER: _ClassVar[int]
    QUORUM_LOST_FIELD_NUMBER: _ClassVar[int]
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
    commit_latency_p50_ms: float
    commit_latency_p95_ms: float
    commit_latency_p99_ms: float
    links: _containers.RepeatedCompositeFieldContainer[Link]
    quorum: int
    free_bytes: int
    alarms: _containers.RepeatedScalarFieldContainer[str]
    observes: bool
    quorum_lost: str
    def __init__(self, member: _Optional[int] = ..., slug: _Optional[str] = ..., network: _Optional[str] = ..., height: _Optional[int] = ..., state_root: _Optional[bytes] = ..., view: _Optional[int] = ..., primary: _Optional[int] = ..., voting: _Optional[bool] = ..., why: _Optional[str] = ..., uptime_ms: _Optional[int] = ..., first_commit_ms: _Optional[int] = ..., rss_bytes: _Optional[int] = ..., disk_bytes: _Optional[int] = ..., transactions: _Optional[int] = ..., commit_latency_p50_ms: _Optional[float] = ..., commit_latency_p95_ms: _Optional[float] = ..., commit_latency_p99_ms: _Optional[float] = ..., links: _Optional[_Iterable[_Union[Link, _Mapping]]] = ..., quorum: _Optional[int] = ..., free_bytes: _Optional[int] = ..., alarms: _Optional[_Iterable[str]] = ..., observes: _Optional[bool] = ..., quorum_lost: _Optional[str] = ...) -> None: ...

class WhyRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WhyReply(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: bytes
    def __init__(self, report: _Optional[bytes] = ...) -> None: ...

class EvidenceRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EvidenceItem(_message.Message):
    __slots__ = ("id", "member", "epoch", "message", "slot", "view", "size_bytes", "reported_height")
    ID_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SLOT_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    REPORTED_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    member: int
    epoch: int
    message: str
    slot: int
    view: int
    size_bytes: int
    reported_height: int
    def __init__(self, id: _Optional[bytes] = ..., member: _Optional[int] = ..., epoch: _Optional[int] = ..., message: _Optional[str] = ..., slot: _Optional[int] = ..., view: _Optional[int] = ..., size_bytes: _Optional[int] = ..., reported_height: _Optional[int] = ...) -> None: ...

class EvidenceReply(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[EvidenceItem]
    def __init__(self, items: _Optional[_Iterable[_Union[EvidenceItem, _Mapping]]] = ...) -> None: ...

class EvidenceFileRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    def __init__(self, id: _Optional[bytes] = ...) -> None: ...

class EvidenceFileReply(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class BackupRequest(_message.Message):
    __slots__ = ("without_objects",)
    WITHOUT_OBJECTS_FIELD_NUMBER: _ClassVar[int]
    without_objects: bool
    def __init__(self, without_objects: _Optional[bool] = ...) -> None: ...

class BackupReply(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class InfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Member(_message.Message):
    __slots__ = ("number", "slug", "name")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SLUG_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    number: int
    slug: str
    name: str
    def __init__(self, number: _Optional[int] = ..., slug: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class InfoReply(_message.Message):
    __slots__ = ("chain_id", "network", "member", "members", "height", "time_ms", "validity_heights", "genesis")
    CHAIN_ID_FIELD_NUMBER: _ClassVar[int]
    NETWORK_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    VALIDITY_HEIGHTS_FIELD_NUMBER: _ClassVar[int]
    GENESIS_FIELD_NUMBER: _ClassVar[int]
    chain_id: bytes
    network: str
    member: int
    members: _containers.RepeatedCompositeFieldContainer[Member]
    height: int
    time_ms: int
    validity_heights: int
    genesis: bytes
    def __init__(self, chain_id: _Optional[bytes] = ..., network: _Optional[str] = ..., member: _Optional[int] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., height: _Optional[int] = ..., time_ms: _Optional[int] = ..., validity_heights: _Optional[int] = ..., genesis: _Optional[bytes] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("object_id", "sealed")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    object_id: bytes
    sealed: bytes
    def __init__(self, object_id: _Optional[bytes] = ..., sealed: _Optional[bytes] = ...) -> None: ...

class SubmitRequest(_message.Message):
    __slots__ = ("submission", "parts", "timeout_ms")
    SUBMISSION_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    submission: bytes
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    timeout_ms: int
    def __init__(self, submission: _Optional[bytes] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class SubmitReply(_message.Message):
    __slots__ = ("transaction_id", "outcome", "height", "code", "detail", "statement")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[SubmitReply.Outcome]
        COMMITTED: _ClassVar[SubmitReply.Outcome]
        TURNED_AWAY: _ClassVar[SubmitReply.Outcome]
        BUSY: _ClassVar[SubmitReply.Outcome]
        PENDING: _ClassVar[SubmitReply.Outcome]
    OUTCOME_UNSPECIFIED: SubmitReply.Outcome
    COMMITTED: SubmitReply.Outcome
    TURNED_AWAY: SubmitReply.Outcome
    BUSY: SubmitReply.Outcome
    PENDING: SubmitReply.Outcome
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    transaction_id: bytes
    outcome: SubmitReply.Outcome
    height: int
    code: str
    detail: str
    statement: bytes
    def __init__(self, transaction_id: _Optional[bytes] = ..., outcome: _Optional[_Union[SubmitReply.Outcome, str]] = ..., height: _Optional[int] = ..., code: _Optional[str] = ..., detail: _Optional[str] = ..., statement: _Optional[bytes] = ...) -> None: ...

class ReadRequest(_message.Message):
    __slots__ = ("key", "prefix", "limit", "min_height", "timeout_ms", "strong")
    KEY_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MIN_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    STRONG_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    prefix: bool
    limit: int
    min_height: int
    timeout_ms: int
    strong: bool
    def __init__(self, key: _Optional[bytes] = ..., prefix: _Optional[bool] = ..., limit: _Optional[int] = ..., min_height: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., strong: _Optional[bool] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ...) -> None: ...

class ReadReply(_message.Message):
    __slots__ = ("stamp", "entries")
    STAMP_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    stamp: Stamp
    entries: _containers.RepeatedCompositeFieldContainer[Entry]
    def __init__(self, stamp: _Optional[_Union[Stamp, _Mapping]] = ..., entries: _Optional[_Iterable[_Union[Entry, _Mapping]]] = ...) -> None: ...

class RowRequest(_message.Message):
    __slots__ = ("row_digest",)
    ROW_DIGEST_FIELD_NUMBER: _ClassVar[int]
    row_digest: bytes
    def __init__(self, row_digest: _Optional[bytes] = ...) -> None: ...

class RowReply(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class BlockRequest(_message.Message):
    __slots__ = ("height",)
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    height: int
    def __init__(self, height: _Optional[int] = ...) -> None: ...

class BlockTransaction(_message.Message):
    __slots__ = ("id", "kind", "code")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    kind: str
    code: str
    def __init__(self, id: _Optional[bytes] = ..., kind: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...

class BlockReply(_message.Message):
    __slots__ = ("height", "header_hash", "header", "certificate", "transactions")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    HEADER_HASH_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    height: int
    header_hash: bytes
    header: bytes
    certificate: bytes
    transactions: _containers.RepeatedCompositeFieldContainer[BlockTransaction]
    def __init__(self, height: _Optional[int] = ..., header_hash: _Optional[bytes] = ..., header: _Optional[bytes] = ..., certificate: _Optional[bytes] = ..., transactions: _Optional[_Iterable[_Union[BlockTransaction, _Mapping]]] = ...) -> None: ...

class TransactionRequest(_message.Message):
    __slots__ = ("transaction_id",)
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    transaction_id: bytes
    def __init__(self, transaction_id: _Optional[bytes] = ...) -> None: ...

class TransactionReply(_message.Message):
    __slots__ = ("height", "code", "transaction")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    height: int
    code: str
    transaction: bytes
    def __init__(self, height: _Optional[int] = ..., code: _Optional[str] = ..., transaction: _Optional[bytes] = ...) -> None: ...

class ObjectRequest(_message.Message):
    __slots__ = ("object_id",)
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    object_id: bytes
    def __init__(self, object_id: _Optional[bytes] = ...) -> None: ...

class ObjectReply(_message.Message):
    __slots__ = ("pointer", "batch", "held")
    POINTER_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    pointer: bytes
    batch: bytes
    held: bool
    def __init__(self, pointer: _Optional[bytes] = ..., batch: _Optional[bytes] = ..., held: _Optional[bool] = ...) -> None: ...

class BlocksRequest(_message.Message):
    __slots__ = ("from_height",)
    FROM_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    from_height: int
    def __init__(self, from_height: _Optional[int] = ...) -> None: ...

class EventsRequest(_message.Message):
    __slots__ = ("from_height",)
    FROM_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    from_height: int
    def __init__(self, from_height: _Optional[int] = ...) -> None: ...

class EventReply(_message.Message):
    __slots__ = ("height", "index", "kind", "event", "text")
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    height: int
    index: int
    kind: str
    event: bytes
    text: str
    def __init__(self, height: _Optional[int] = ..., index: _Optional[int] = ..., kind: _Optional[str] = ..., event: _Optional[bytes] = ..., text: _Optional[str] = ...) -> None: ...

class StateProofRequest(_message.Message):
    __slots__ = ("keys", "min_height", "timeout_ms", "strong")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    MIN_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    STRONG_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[bytes]
    min_height: int
    timeout_ms: int
    strong: bool
    def __init__(self, keys: _Optional[_Iterable[bytes]] = ..., min_height: _Optional[int] = ..., timeout_ms: _Optional[int] = ..., strong: _Optional[bool] = ...) -> None: ...

class StateProofReply(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class StretchRequest(_message.Message):
    __slots__ = ("first", "last", "headers_only")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    HEADERS_ONLY_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    headers_only: bool
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ..., headers_only: _Optional[bool] = ...) -> None: ...

class StretchReply(_message.Message):
    __slots__ = ("data", "end")
    DATA_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    end: bool
    def __init__(self, data: _Optional[bytes] = ..., end: _Optional[bool] = ...) -> None: ...

class IntakeKeyRequest(_message.Message):
    __slots__ = ("department",)
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    department: str
    def __init__(self, department: _Optional[str] = ...) -> None: ...

class IntakeKeyReply(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    def __init__(self, key: _Optional[bytes] = ...) -> None: ...

class LinkSubjectRequest(_message.Message):
    __slots__ = ("macs", "handle")
    MACS_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    macs: _containers.RepeatedScalarFieldContainer[bytes]
    handle: bytes
    def __init__(self, macs: _Optional[_Iterable[bytes]] = ..., handle: _Optional[bytes] = ...) -> None: ...

class LinkSubjectReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResolveSubjectRequest(_message.Message):
    __slots__ = ("macs",)
    MACS_FIELD_NUMBER: _ClassVar[int]
    macs: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, macs: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ResolveSubjectReply(_message.Message):
    __slots__ = ("handle",)
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    handle: bytes
    def __init__(self, handle: _Optional[bytes] = ...) -> None: ...

class SeenRequest(_message.Message):
    __slots__ = ("macs",)
    MACS_FIELD_NUMBER: _ClassVar[int]
    macs: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, macs: _Optional[_Iterable[bytes]] = ...) -> None: ...

class SeenReply(_message.Message):
    __slots__ = ("seen",)
    SEEN_FIELD_NUMBER: _ClassVar[int]
    seen: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, seen: _Optional[_Iterable[bool]] = ...) -> None: ...

class PutObjectRequest(_message.Message):
    __slots__ = ("object_id", "hospital_wrap", "recipients", "length_bytes", "data")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    HOSPITAL_WRAP_FIELD_NUMBER: _ClassVar[int]
    RECIPIENTS_FIELD_NUMBER: _ClassVar[int]
    LENGTH_BYTES_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    object_id: bytes
    hospital_wrap: bytes
    recipients: bytes
    length_bytes: int
    data: bytes
    def __init__(self, object_id: _Optional[bytes] = ..., hospital_wrap: _Optional[bytes] = ..., recipients: _Optional[bytes] = ..., length_bytes: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class PutObjectReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AnchorRequest(_message.Message):
    __slots__ = ("department", "study", "policy", "pointers", "sealed_key", "report_digest", "seen", "timeout_ms")
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    STUDY_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    POINTERS_FIELD_NUMBER: _ClassVar[int]
    SEALED_KEY_FIELD_NUMBER: _ClassVar[int]
    REPORT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    department: str
    study: str
    policy: bytes
    pointers: _containers.RepeatedScalarFieldContainer[bytes]
    sealed_key: bytes
    report_digest: bytes
    seen: _containers.RepeatedScalarFieldContainer[bytes]
    timeout_ms: int
    def __init__(self, department: _Optional[str] = ..., study: _Optional[str] = ..., policy: _Optional[bytes] = ..., pointers: _Optional[_Iterable[bytes]] = ..., sealed_key: _Optional[bytes] = ..., report_digest: _Optional[bytes] = ..., seen: _Optional[_Iterable[bytes]] = ..., timeout_ms: _Optional[int] = ...) -> None: ...

class HalvesRequest(_message.Message):
    __slots__ = ("request_id", "role", "handle", "department")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    HANDLE_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    role: str
    handle: bytes
    department: str
    def __init__(self, request_id: _Optional[bytes] = ..., role: _Optional[str] = ..., handle: _Optional[bytes] = ..., department: _Optional[str] = ...) -> None: ...

class HalfReply(_message.Message):
    __slots__ = ("pointer", "study", "policy", "wrapped")
    POINTER_FIELD_NUMBER: _ClassVar[int]
    STUDY_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    WRAPPED_FIELD_NUMBER: _ClassVar[int]
    pointer: bytes
    study: str
    policy: bytes
    wrapped: bytes
    def __init__(self, pointer: _Optional[bytes] = ..., study: _Optional[str] = ..., policy: _Optional[bytes] = ..., wrapped: _Optional[bytes] = ...) -> None: ...

class ReceiptRequest(_message.Message):
    __slots__ = ("request_id", "height")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    height: int
    def __init__(self, request_id: _Optional[bytes] = ..., height: _Optional[int] = ...) -> None: ...

class ReceiptReply(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class DeliveryRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    def __init__(self, request_id: _Optional[bytes] = ...) -> None: ...

class DeliveryReply(_message.Message):
    __slots__ = ("report",)
    REPORT_FIELD_NUMBER: _ClassVar[int]
    report: bytes
    def __init__(self, report: _Optional[bytes] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("request_id", "project_sealing_private")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PROJECT_SEALING_PRIVATE_FIELD_NUMBER: _ClassVar[int]
    request_id: bytes
    project_sealing_private: bytes
    def __init__(self, request_id: _Optional[bytes] = ..., project_sealing_private: _Optional[bytes] = ...) -> None: ...

class ReleasedHead(_message.Message):
    __slots__ = ("object_id", "pseudonym", "data_class", "rule", "length_bytes")
    OBJECT_ID_FIELD_NUMBER: _ClassVar[int]
    PSEUDONYM_FIELD_NUMBER: _ClassVar[int]
    DATA_CLASS_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    LENGTH_BYTES_FIELD_NUMBER: _ClassVar[int]
    object_id: bytes
    pseudonym: bytes
    data_class: str
    rule: str
    length_bytes: int
    def __init__(self, object_id: _Optional[bytes] = ..., pseudonym: _Optional[bytes] = ..., data_class: _Optional[str] = ..., rule: _Optional[str] = ..., length_bytes: _Optional[int] = ...) -> None: ...

class FetchReply(_message.Message):
    __slots__ = ("head", "data")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    head: ReleasedHead
    data: bytes
    def __init__(self, head: _Optional[_Union[ReleasedHead, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...
