"""What a transaction can say: the closed vocabulary of the chain.

Every personal row (a request's text, a consent's provisions, a link of a handle) is here only as
`digest("row", salt, row)`; the row itself travels beside the signed body and can be erased.
Identifiers are 16 random bytes, keys of Ed25519 32 bytes, times Unix milliseconds.
"""

from typing import TypeAlias

from msgspec import Struct

DATA_CLASSES = (
    "demographics",
    "encounters",
    "conditions",
    "observations",
    "medications",
    "procedures",
    "immunizations",
    "allergies",
)
"""An object holds data of one class; a patient has one class key for each."""

PERMISSIONS = ("NRES", "GRU", "HMB", "DS", "POA")
"""GA4GH Data Use Ontology: no restriction, general research, health/medical/biomedical,
disease specific, population origins or ancestry."""

FOUNDING_MODIFIERS = ("IRB", "NPU", "NCU", "TS", "GS", "IS", "PS", "MOR", "RTN", "CC")
"""GA4GH Data Use Ontology: modifiers of a permission that every chain has."""

LATER_MODIFIERS = ("NPUNCU", "PUB", "COL", "US", "RS", "GSO", "NMDS", "NPOA")
"""The rest of them, in use from the height on at which the feature `consent-2` begins."""

MODIFIERS = FOUNDING_MODIFIERS + LATER_MODIFIERS

ROLE_PATIENT, ROLE_STEWARD, ROLE_HEAD = "patient", "steward", "head"
PERMIT, DENY = "permit", "deny"
HOLDS, COMPLAINS, ERASED = "holds", "complains", "erased"
"""What a trustee says of the shares that it was dealt."""

MAX_POINTERS = 500
MAX_OBJECTS = 1_000
MAX_CLASS_KEYS = len(DATA_CLASSES)
MAX_DEALT_KEYS = 48
"""Class keys of one patient that can be dealt at once, and that the chain keeps as dealt."""
MAX_DISEASES_BYTES = 65_536
"""Of a published tree of diseases: a receipt of a decision that needs one carries it."""
MAX_EVIDENCE_BYTES = 112_640
"""Of each of the two messages that convict a member: so both fit a transaction."""


class _Body(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    pass


class UsePolicy(_Body, frozen=True):
    """What an object may be used for: a DUO permission, its modifiers (sorted), the disease for DS."""

    permission: str
    modifiers: tuple[str, ...] = ()
    disease: str = ""


class Purpose(_Body, frozen=True):
    """What an application wants the data for, in DUO's terms. `modifiers`: the conditions it meets."""

    permission: str
    disease: str = ""
    for_profit: bool = False
    modifiers: tuple[str, ...] = ()


class ClassKey(_Body, frozen=True):
    """The public point (Ed25519's group, 32 bytes) of a patient's key for one data class."""

    data_class: str
    epoch: int
    point: bytes


class ObjectPointer(_Body, frozen=True):
    """One anchored object. `root` and `length_bytes` are of the ciphertext; the commitments are
    digest("commit/...", salt, secret); `locator` is sealed to the study."""

    object_id: bytes
    handle: bytes
    data_class: str
    level: int
    epoch: int
    root: bytes
    length_bytes: int
    commitment_hospital: bytes
    commitment_patient: bytes
    commitment_dek: bytes
    locator: bytes


class AddDepartment(_Body, frozen=True, tag="add-department"):
    """Signed by the member's steward."""

    member: int
    department: str
    head_key: bytes


class AddStudy(_Body, frozen=True, tag="add-study"):
    """Signed by the head of the department. `sealing_key`: MLKEM768-X25519 public key."""

    member: int
    department: str
    study: str
    sealing_key: bytes


class EnrolPatient(_Body, frozen=True, tag="enrol-patient"):
    """Signed by the member's steward; active once a registrar attested and the patient proved."""

    member: int
    handle: bytes
    patient_key: bytes
    class_keys: tuple[ClassKey, ...]
    link_row: bytes


class AttestEnrolment(_Body, frozen=True, tag="attest-enrolment"):
    """Signed by a registrar of the roster that is not run by the enrolling member."""

    handle: bytes


class ProveEnrolment(_Body, frozen=True, tag="prove-enrolment"):
    """Signed by the enrolled key: proof of possession."""

    handle: bytes


class RenewClassKey(_Body, frozen=True, tag="renew-class-key"):
    """Signed by the patient's key: the class key of the next epoch. Later objects are taken in under it."""

    handle: bytes
    key: ClassKey


class DealtKey(_Body, frozen=True):
    """Feldman's commitments (points of 32 bytes) to a polynomial whose value at 0 is the class key."""

    data_class: str
    epoch: int
    commitments: tuple[bytes, ...]


class DealClassKeys(_Body, frozen=True, tag="deal-class-keys"):
    """Signed by the patient's key: class keys are shared among the trustees of the genesis document.
    `shares_digest`: of the sealed shares, one for each trustee, that were handed to the node with it."""

    handle: bytes
    keys: tuple[DealtKey, ...]
    shares_digest: bytes


class AnswerDealing(_Body, frozen=True, tag="answer-dealing"):
    """Signed by the key of the trustee `trustee` (its place in the genesis document, from 1). `answer`:
    "holds" (its share fits the commitments), "complains" (it does not open, or does not fit), "erased"."""

    handle: bytes
    shares_digest: bytes
    trustee: int
    answer: str


class AnchorRecords(_Body, frozen=True, tag="anchor-records"):
    """Signed by the member's validator key. `sealed_key` opens the pointers' locators (HPKE to the
    study's key); `report_digest` is that of the de-identification report."""

    member: int
    department: str
    study: str
    policy: UsePolicy
    pointers: tuple[ObjectPointer, ...]
    sealed_key: bytes
    report_digest: bytes


class Apply(_Body, frozen=True, tag="apply"):
    """Signed by the head of the applying department. `possession`: signature of `project_key` over
    `possession_bytes(...)`. `text_row`: title and plan of the project."""

    request_id: bytes
    member: int
    department: str
    project: str
    project_key: bytes
    project_sealing_key: bytes
    purpose: Purpose
    objects: tuple[bytes, ...]
    expires_ms: int
    text_row: bytes
    possession: bytes


class Grant(_Body, frozen=True, tag="grant"):
    """`role` patient (signed by the enrolled key of `handle`), steward or head (of `member`,
    `department`). `objects` empty: all objects of the request that the signer may speak for.
    `decision` is permit or deny; `parts_digest`: digest of the sealed parts handed to the provider's
    node with it, empty where there are none."""

    request_id: bytes
    role: str
    handle: bytes
    member: int
    department: str
    decision: str
    objects: tuple[bytes, ...]
    parts_digest: bytes


class Consent(_Body, frozen=True, tag="consent"):
    """A standing consent, signed by the patient's key. `provision_row`: a ConsentDocument."""

    handle: bytes
    consent_id: bytes
    provision_row: bytes


class Revoke(_Body, frozen=True, tag="revoke"):
    """Signed by the patient's key. `scope`: all, class, consent or request; `target` names it."""

    handle: bytes
    scope: str
    target: bytes


class Withdraw(_Body, frozen=True, tag="withdraw"):
    """Takes back: an application (`role` "project", by the project's key) or the signer's own grant."""

    request_id: bytes
    role: str
    member: int
    department: str


class RequestRelease(_Body, frozen=True, tag="request-release"):
    """Signed by the project's key. Its result is the decision: AUTHORISED or REFUSED, by object."""

    request_id: bytes


class ShareReceipt(_Body, frozen=True, tag="share-receipt"):
    """Signed by the validator key of the member that sent (role "provider") or took (role
    "requester") the parts of a release. `parts_digest` is that of the sealed parts."""

    request_id: bytes
    release_height: int
    member: int
    role: str
    peer: int
    parts_digest: bytes


class Barrier(_Body, frozen=True, tag="barrier"):
    """Signed by the member's validator key. It changes nothing: the block that holds it tells that member
    what stands now, where the last block is too old to."""

    member: int


class ChangeMembership(_Body, frozen=True, tag="change-membership"):
    """Signed by any member's steward or node, who hands it in. `document`: a change of members with the
    signatures of more than half of the validators (genesis/membership.py)."""

    document: bytes


class ReportEquivocation(_Body, frozen=True, tag="report-equivocation"):
    """Signed by any member's validator key. `first` and `second`: encoded consensus messages, both signed by
    `key`, that cannot both be honest (consensus/equivocation.py)."""

    key: bytes
    first: bytes
    second: bytes


class CommitVote(_Body, frozen=True):
    """A member's COMMIT, and the key that it was signed with."""

    replica: int
    key: bytes
    signature: bytes


class ReportLeftViews(_Body, frozen=True, tag="report-left-views"):
    """Signed by any member's validator key. A quorum's COMMITs for a slot in a view that is not the first one
    of its turn: who led the views before it was left (ledger/passing.py). `votes`: ascending by replica."""

    epoch: int
    view: int
    sequence: int
    digest: bytes
    votes: tuple[CommitVote, ...]


class PublishDiseases(_Body, frozen=True, tag="publish-diseases"):
    """Signed by any member's steward. `document`: an encoded DiseaseTree whose digest names a feature that
    is in force (ledger/diseases.py): the validators agreed on that very file."""

    member: int
    document: bytes


class Erase(_Body, frozen=True, tag="erase"):
    """Signed by the patient's key. `scope` consent: the words of the consent `target`; all (`target` empty):
    every consent, the handle's link and all objects of the handle, and nothing is given or anchored under it
    any more."""

    handle: bytes
    scope: str
    target: bytes


class EraseObjects(_Body, frozen=True, tag="erase-objects"):
    """Signed by the head of the department that owns the objects."""

    member: int
    department: str
    objects: tuple[bytes, ...]


class AttestErasure(_Body, frozen=True, tag="attest-erasure"):
    """Signed by the member's validator key: its node has deleted what erasure `number` names. Its word, no
    proof."""

    member: int
    number: int


Payload: TypeAlias = (
    AddDepartment
    | AddStudy
    | EnrolPatient
    | AttestEnrolment
    | ProveEnrolment
    | AnchorRecords
    | Apply
    | Grant
    | Consent
    | Revoke
    | Withdraw
    | RequestRelease
    | ShareReceipt
    | Barrier
    | ChangeMembership
    | ReportEquivocation
    | ReportLeftViews
    | PublishDiseases
    | RenewClassKey
    | DealClassKeys
    | AnswerDealing
    | Erase
    | EraseObjects
    | AttestErasure
)
