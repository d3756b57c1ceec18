"""The values of the state, results and events: canonical MessagePack of these structs.

`transaction_id` and `height` say where a fact comes from; heights of transactions start at 1, so 0 means
"never". Keys of Ed25519 and digests are 32 bytes, ids and handles 16.
"""

from msgspec import Struct

from chainnode.ledger.payloads import ClassKey, Purpose, UsePolicy
from consensus.types import Digest

RECORD_BYTES = 16 * 1024 * 1024
"""No record is longer: a decision on 1,000 objects of as many patients, each with as many consents and
revocations as the chain keeps, has 2 MB."""

OUTCOME_AUTHORISED = "AUTHORISED"
OUTCOME_REFUSED = "REFUSED"

HOLDER_VALIDATOR, HOLDER_STEWARD, HOLDER_REGISTRAR = "validator", "steward", "registrar"
HOLDER_TRANSPORT = "transport"
HOLDER_HEAD, HOLDER_PATIENT, HOLDER_PROJECT = "head", "patient", "project"

BASIS_LIVE = "live"
BASIS_STANDING = "standing"


class Record(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of what the state holds."""


class Source(Record, frozen=True):
    """The transaction that a fact rests on."""

    transaction_id: Digest = b""
    height: int = 0


class GenesisRecord(Record, frozen=True):
    """Binds the state to its chain."""

    chain_id: Digest
    members: int
    registrars: int


class MemberRecord(Record, frozen=True):
    number: int
    id: str
    name: str
    validator_key: bytes
    steward_key: bytes


class RegistrarRecord(Record, frozen=True):
    """`operator`: a member's slug or another organisation's name."""

    id: str
    name: str
    operator: str
    key: bytes


class TrusteeRecord(Record, frozen=True):
    """As the genesis document names it; not an entry of the state."""

    id: str
    operator: str
    key: bytes


class HolderRecord(Record, frozen=True):
    """Who holds a key. `name`: department slug, registrar id, handle or request id, by `role`."""

    role: str
    member: int
    name: bytes


class DepartmentRecord(Record, frozen=True):
    head_key: bytes
    added: Source


class StudyRecord(Record, frozen=True):
    sealing_key: bytes
    added: Source


class EnrolmentRecord(Record, frozen=True):
    """Active once `attested` and `proven` both have a height."""

    member: int
    patient_key: bytes
    class_keys: tuple[ClassKey, ...]
    link_row: bytes
    registrar: str
    enrolled: Source
    attested: Source = Source()
    proven: Source = Source()

    @property
    def active(self) -> bool:
        return self.attested.height > 0 and self.proven.height > 0

    def class_key(self, data_class: str, epoch: int) -> ClassKey | None:
        """The key for one data class and epoch, None where the patient has none."""
        for key in self.class_keys:
            if key.data_class == data_class and key.epoch == epoch:
                return key
        return None


class RenewedKey(Record, frozen=True):
    key: ClassKey
    renewed: Source


class RenewedKeysRecord(Record, frozen=True):
    """A patient's class keys after the enrolment's, in the order in which they were put in force."""

    keys: tuple[RenewedKey, ...]


class DealtRecord(Record, frozen=True):
    """One class key that was dealt to the trustees: `commitments` are Feldman's, `shares_digest` names the
    dealing. `holds`, `complains`, `erased`: which trustees said so, by their places from 1, ascending.
    `ended` has height 0 as long as the dealing stands; it ends by a revocation."""

    data_class: str
    epoch: int
    commitments: tuple[bytes, ...]
    shares_digest: bytes
    dealt: Source
    holds: tuple[int, ...] = ()
    complains: tuple[int, ...] = ()
    erased: tuple[int, ...] = ()
    ended: Source = Source()


class DealingsRecord(Record, frozen=True):
    """The latest dealing of each of a patient's class keys and epochs, in that order."""

    dealt: tuple[DealtRecord, ...]


class BatchRecord(Record, frozen=True):
    """Anchored pointers: merkle_root("pointer", encoded pointers) is the entry's name."""

    member: int
    department: str
    study: str
    policy: UsePolicy
    count: int
    report_digest: bytes
    anchored: Source
    time_ms: int


class Provider(Record, frozen=True):
    """A department that provides something, hence whose steward and head are asked."""

    member: int
    department: str


class RequestRecord(Record, frozen=True):
    """`handles` and `providers`: whose signatures it takes, in the order of the objects."""

    member: int
    department: str
    project: str
    project_key: bytes
    project_sealing_key: bytes
    purpose: Purpose
    objects: tuple[bytes, ...]
    expires_ms: int
    text_row: bytes
    handles: tuple[bytes, ...]
    providers: tuple[Provider, ...]
    applied: Source
    withdrawn: Source = Source()


class GrantRecord(Record, frozen=True):
    """The decision that stands. Taking it back deletes the entry: absence is "has not signed"."""

    decision: str
    objects: tuple[bytes, ...]
    parts_digest: bytes
    signer: bytes
    granted: Source


class ConsentRecord(Record, frozen=True):
    """`revoked` has height 0 as long as the consent stands."""

    consent_id: bytes
    provision_row: bytes
    given: Source
    revoked: Source = Source()


class ConsentsRecord(Record, frozen=True):
    """A patient's standing consents in the order given."""

    consents: tuple[ConsentRecord, ...]


class ClassRevocation(Record, frozen=True):
    data_class: str
    revoked: Source


class RevocationRecord(Record, frozen=True):
    """The latest revocation of everything (`all`) and of each class, by class name."""

    all: Source = Source()
    classes: tuple[ClassRevocation, ...] = ()


class RequestRevocationRecord(Record, frozen=True):
    revoked: Source


class ObjectVerdict(Record, frozen=True):
    """`rule` is "" for an authorised object; `basis` then says "live" or "standing"."""

    object_id: bytes
    rule: str
    basis: str


class ReleaseRecord(Record, frozen=True):
    """A decision. `providers`: members with an authorised object; `rests_on`: the transactions that
    were looked at, in order; `last_authorised_height`: of this or an earlier decision, 0 for none."""

    request_id: bytes
    height: int
    time_ms: int
    evaluator_version: int
    outcome: str
    rule: str
    verdicts: tuple[ObjectVerdict, ...]
    providers: tuple[int, ...]
    rests_on: tuple[Source, ...]
    requested: Source
    last_authorised_height: int
    last_providers: tuple[int, ...]


class ShareRecord(Record, frozen=True):
    parts_digest: bytes
    shared: Source


ERASED_PATIENT, ERASED_CONSENT, ERASED_OBJECTS = "patient", "consent", "objects"


class ErasuresRecord(Record, frozen=True):
    """How many erasures there were; without this record none."""

    count: int


class ErasureRecord(Record, frozen=True):
    """What every node deletes. `kind` patient or consent: `handle` and the digests of its `rows` (and, with
    patient, all objects of the handle); objects: those of a department."""

    kind: str
    handle: bytes
    member: int
    department: str
    objects: tuple[bytes, ...]
    rows: tuple[Digest, ...]
    erased: Source


class ErasedRecord(Record, frozen=True):
    """By which erasure a handle, an object or a row went."""

    number: int


class AttestedRecord(Record, frozen=True):
    attested: Source


class DroppedRows(Record, frozen=True):
    """Rows that no record names any more, of one handle; as far as this node saw them go."""

    digests: tuple[Digest, ...]


class ObjectIndex(Record, frozen=True):
    """Where an object is anchored; `pointer` is the encoded ObjectPointer."""

    batch_root: bytes
    index: int
    pointer: bytes


class BatchIndex(Record, frozen=True):
    """`object_ids` in the batch's order; `sealed_key` opens the locators (HPKE to the study's key)."""

    object_ids: tuple[bytes, ...]
    sealed_key: bytes


class Result(Record, frozen=True):
    """What became of one transaction. `code` "" means executed, else the rule that refused it.
    `outcome` and `rule` are set for a RequestRelease alone."""

    transaction_id: bytes
    code: str
    outcome: str = ""
    rule: str = ""


class Event(Record, frozen=True):
    """Something that others wait for. `subjects` are ids, `data` pairs of name and value."""

    height: int
    index: int
    kind: str
    transaction_id: bytes
    subjects: tuple[bytes, ...]
    data: tuple[tuple[str, str], ...] = ()
