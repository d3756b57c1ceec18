"""What a patient's consent is as of one height, in a file that says as well what is not there.

A map in deterministic CBOR (RFC 8949 section 4.2.1):

    type, version    ANSWER_TYPE, 1
    chain            chain id (32 bytes)
    handle, request  whose consent, and to which application; an empty `request` asks of none
    header           encoded BlockHeader: the height, the time, and the state root of the rest
    records          [name, value] of each of the entries below that is present
    nodes, buckets   the tree's preimages (proof.py); where an entry is missing, they prove that it is
    above, certificate, epochs    what vouches for the header (stretch.py)

The entries, in this order: the enrolment, the standing consents, the revocations; with a request also the
application, the patient's answer to it, and its revocation. Nothing else stands in the file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct

from chainnode.ledger import keys
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.fields import Verify
from chainnode.ledger.founding import Founding
from chainnode.ledger.payloads import PERMIT, ROLE_PATIENT
from chainnode.ledger.proof import StateWitness, value_hash
from chainnode.ledger.records import (
    RECORD_BYTES,
    ConsentRecord,
    ConsentsRecord,
    EnrolmentRecord,
    GrantRecord,
    Record,
    RequestRecord,
    RequestRevocationRecord,
    RevocationRecord,
    Source,
)
from chainnode.ledger.state import State
from chainnode.ledger.stretch import (
    CERTIFICATION_FIELDS,
    Certification,
    certification_fields,
    octets,
    read_certification,
    read_header,
    verify_stretch,
)
from chainnode.ledger.transaction import ID_BYTES
from consensus.codec import DecodeError, decode, encode
from consensus.types import BlockHeader
from genesis import cbor
from genesis.cbor import Plain
from genesis.fields import FieldError, Fields

ANSWER_TYPE, ANSWER_VERSION = "chainnode-consent-answer", 1
ANSWER_FIELDS = (
    "type", "version", "chain", "handle", "request", "header", "records", "nodes", "buckets",
    *CERTIFICATION_FIELDS,
)  # fmt: skip
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_PREIMAGES = 1_024

R = TypeVar("R", bound=Record)


class StateProofs(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Entries of the state under `header`, present (`records`) or not, and what proves both."""

    header: BlockHeader
    records: tuple[tuple[bytes, bytes], ...]
    nodes: tuple[bytes, ...]
    buckets: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ConsentAnswer:
    """What is proven of a patient's consent at `header`. `application`, `grant`, `taken_back`: of the request
    that was asked about, None where there is none."""

    handle: bytes
    request: bytes
    header: BlockHeader
    enrolment: EnrolmentRecord | None
    consents: tuple[ConsentRecord, ...]
    revocations: RevocationRecord
    application: RequestRecord | None
    grant: GrantRecord | None
    taken_back: Source

    @property
    def standing(self) -> tuple[ConsentRecord, ...]:
        """Standing consents that are not revoked one by one or by a revocation of everything."""
        return tuple(one for one in self.consents if one.revoked.height == 0)

    @property
    def live(self) -> bool:
        """Whether a yes to the application stands that nothing of what the patient said since takes back as a
        whole. Classes are the evaluator's affair: a receipt shows them."""
        last = max(self.revocations.all.height, self.taken_back.height)
        return self.grant is not None and self.grant.decision == PERMIT and self.grant.granted.height > last

    @property
    def none(self) -> bool:
        """Whether the patient has given nothing that stands: no consent as of this height."""
        return not self.standing and not self.live


def answer_keys(handle: bytes, request: bytes) -> tuple[bytes, ...]:
    """Names of the state's entries that answer, in their order."""
    found = (keys.patient(handle), keys.consents(handle), keys.revocations(handle))
    if not request:
        return found
    grant = keys.grant(request, ROLE_PATIENT, handle=handle)
    return (*found, keys.request(request), grant, keys.request_revocation(handle, request))


def prove_entries(state: State, header: BlockHeader, names: Sequence[bytes]) -> StateProofs:
    """`state` must be the state after the block of `header`."""
    assert state.root == header.state_root, "a proof is made at the block's own height"
    nodes: dict[bytes, None] = {}
    buckets: dict[bytes, None] = {}
    records: list[tuple[bytes, bytes]] = []
    for name in names:
        proof, value = state.prove(name), state.get(name)
        nodes.update(dict.fromkeys(proof.nodes))
        if proof.bucket:
            buckets[proof.bucket] = None
        if value is not None:
            records.append((name, value))
    return StateProofs(header, tuple(records), tuple(nodes), tuple(buckets))


def encode_answer(handle: bytes, request: bytes, proofs: StateProofs, certification: Certification) -> bytes:
    """The file's bytes."""
    records: list[Plain] = [[name, value] for name, value in proofs.records]
    return cbor.encode(
        {
            "type": ANSWER_TYPE,
            "version": ANSWER_VERSION,
            "chain": proofs.header.chain_id,
            "handle": handle,
            "request": request,
            "header": encode(proofs.header),
            "records": records,
            "nodes": list(proofs.nodes),
            "buckets": list(proofs.buckets),
            **certification_fields(certification),
        }
    )


def verify_answer(data: bytes, founding: Founding, *, verify: Verify) -> ConsentAnswer:
    """What the file proves. Raises VerificationError: bad-answer, and what a stretch and its proofs raise."""
    try:
        fields = Fields(cbor.decode(data, limit_bytes=MAX_ANSWER_BYTES), ANSWER_FIELDS, "the answer")
        if (fields.text("type"), fields.number("version")) != (ANSWER_TYPE, ANSWER_VERSION):
            raise FieldError("it is not an answer of a version that is known here")
        handle, request = fields.octets("handle"), fields.octets("request")
        if len(handle) != ID_BYTES or len(request) not in (0, ID_BYTES):
            raise FieldError("an id has another length")
        header = read_header(fields.octets("header"))
        if fields.octets("chain") != header.chain_id:
            raise VerificationError("wrong-chain", "its header is of another one")
        verify_stretch([header], read_certification(fields), founding, verify=verify)
        return _answer(handle, request, header, _proven(fields, header, answer_keys(handle, request)))
    except (cbor.CborError, DecodeError, FieldError) as error:
        raise VerificationError("bad-answer", str(error)) from None


def _proven(fields: Fields, header: BlockHeader, names: Sequence[bytes]) -> Mapping[bytes, bytes]:
    """The entries that are present; of all others it is proven that they are not."""
    records: list[tuple[bytes, bytes]] = []
    for item in fields.items("records", len(names)):
        if not isinstance(item, list) or len(item) != 2:
            raise FieldError("an entry is not [name, value]")
        records.append((octets(item[0]), octets(item[1])))
    nodes, buckets = ([octets(one) for one in fields.items(it, MAX_PREIMAGES)] for it in ("nodes", "buckets"))
    witness, held = StateWitness(header.state_root, nodes, buckets), dict(records)
    for name in names:
        try:
            proven = witness.value_hash(name)
        except ValueError as error:
            raise VerificationError("bad-proof", str(error)) from None
        if proven is not None and name not in held:
            raise VerificationError("missing-fact", "an entry of the state is left out")
        if name in held and proven != value_hash(held[name]):
            raise VerificationError("bad-proof", "an entry is not what the state root commits to")
    used = (list(witness.used_nodes), list(witness.used_buckets), [name for name in names if name in held])
    if used != (nodes, buckets, [name for name, _ in records]):
        raise VerificationError("receipt-not-minimal", "something is not needed, twice, or out of order")
    return held


def _answer(handle: bytes, request: bytes, header: BlockHeader, held: Mapping[bytes, bytes]) -> ConsentAnswer:
    names = iter(answer_keys(handle, request))

    def following(kind: type[R]) -> R | None:
        value = held.get(next(names, b""))
        return None if value is None else decode(value, kind, limit_bytes=RECORD_BYTES)

    enrolment, consents = following(EnrolmentRecord), following(ConsentsRecord)
    revocations, application = following(RevocationRecord), following(RequestRecord)
    grant, taken_back = following(GrantRecord), following(RequestRevocationRecord)
    return ConsentAnswer(
        handle,
        request,
        header,
        enrolment,
        consents.consents if consents else (),
        revocations or RevocationRecord(),
        application,
        grant,
        taken_back.revoked if taken_back else Source(),
    )
