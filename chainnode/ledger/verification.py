"""Verification of receipts and statements: offline, from the genesis document and the bytes alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import structs

from chainnode.ledger import keys, view
from chainnode.ledger.epochs import (
    MAX_STEP_BYTES,
    MAX_STEPS,
    EpochStep,
    founding_schedule,
    verify_certificate,
    verify_proof_of_epochs,
)
from chainnode.ledger.evidence import Examination, VerificationError, examine
from chainnode.ledger.fields import Verify
from chainnode.ledger.founding import Founding
from chainnode.ledger.networkrecords import EpochRecord
from chainnode.ledger.payloads import Apply, ObjectPointer
from chainnode.ledger.proof import StateWitness, value_hash
from chainnode.ledger.receipt import (
    MAX_RECEIPT_BYTES,
    MAX_RECEIPT_ITEMS,
    RECEIPT_FIELDS,
    RECEIPT_TYPE,
    RECEIPT_VERSION,
)
from chainnode.ledger.records import RECORD_BYTES, MemberRecord, ObjectIndex, ReleaseRecord, RequestRecord
from chainnode.ledger.transaction import (
    MAX_TRANSACTION_BYTES,
    Row,
    TransactionBody,
    possession_bytes,
    transaction_id,
)
from consensus.codec import DecodeError, decode, encode
from consensus.domain import SUITE, signing_bytes
from consensus.merkle import merkle_verify
from consensus.messages import QuorumCertificate
from consensus.types import HEADER_VERSION, BlockHeader
from genesis import cbor
from genesis.cbor import Plain
from genesis.fields import FieldError, Fields

MAX_ITEMS = 100_000
MAX_HEADER_BYTES = 1_024
MAX_CERTIFICATE_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Check:
    """Something that was found to be as it should."""

    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """A verified decision. `release` holds the verdict of every object."""

    release: ReleaseRecord
    request: RequestRecord
    header: BlockHeader
    checks: tuple[Check, ...]


def _octets(item: Plain) -> bytes:
    if not isinstance(item, bytes):
        raise FieldError("an item is not a byte string")
    return item


def _group(item: Plain, length: int) -> list[Plain]:
    if not isinstance(item, list) or len(item) != length:
        raise FieldError(f"an item is not an array of {length}")
    return item


def _pairs(items: Sequence[Plain]) -> list[tuple[bytes, bytes]]:
    return [(_octets(first), _octets(second)) for first, second in (_group(item, 2) for item in items)]


def _require_used(kind: str, held: Iterable[object], used: Iterable[object]) -> None:
    if list(held) != list(used):
        raise VerificationError("receipt-not-minimal", f"{kind} that are not needed, or out of order")


class _Facts:
    """The receipt's contents as a Reader: nothing is handed out that is not proven."""

    def __init__(self, fields: Fields, header: BlockHeader, verify: Verify) -> None:
        self._chain_id = header.chain_id
        self._verify = verify
        entries = _pairs(fields.items("records", MAX_ITEMS))
        self.records = dict(entries)
        self.nodes = [_octets(item) for item in fields.items("nodes", MAX_ITEMS)]
        self.buckets = [_octets(item) for item in fields.items("buckets", MAX_ITEMS)]
        self._witness = StateWitness(header.state_root, self.nodes, self.buckets)
        self._items = [_group(item, 4) for item in fields.items("pointers", MAX_ITEMS)]
        self._signed = _pairs(fields.items("transactions", MAX_ITEMS))
        self._by_id = {transaction_id(body): (body, signature) for body, signature in self._signed}
        self._listed = (len(entries), len(self._items), len(self._signed))
        self._rows = [Row(salt, data) for salt, data in _pairs(fields.items("rows", MAX_ITEMS))]
        self._row_by_digest = {row.digest(): row for row in self._rows}
        self._pointers = self._index_pointers()
        self.entries: dict[bytes, bytes | None] = {}
        self.bodies: dict[bytes, TransactionBody] = {}
        self._used_pointers: dict[bytes, None] = {}
        self._used_rows: dict[bytes, None] = {}

    def _index_pointers(self) -> dict[bytes, tuple[ObjectIndex, list[bytes]]]:
        found: dict[bytes, tuple[ObjectIndex, list[bytes]]] = {}
        for root, place, encoded, proof in self._items:
            # True is an int to Python, and another byte in the receipt.
            if not isinstance(place, int) or isinstance(place, bool) or not isinstance(proof, list):
                raise FieldError("a pointer is not [root, place, pointer, siblings]")
            index = ObjectIndex(_octets(root), place, _octets(encoded))
            object_id = decode(index.pointer, ObjectPointer, limit_bytes=RECORD_BYTES).object_id
            found[keys.object_index(object_id)] = (index, [_octets(item) for item in proof])
        return found

    def get(self, key: bytes) -> bytes | None:
        if key in self.entries:
            return self.entries[key]
        value = self.records.get(key)
        try:
            proven = self._witness.value_hash(key)
        except ValueError as error:
            raise VerificationError("bad-proof", str(error)) from None
        if value is None and proven is not None:
            raise VerificationError("missing-fact", "an entry of the state is left out")
        if value is not None and proven != value_hash(value):
            raise VerificationError("bad-proof", "an entry is not what the state root commits to")
        self.entries[key] = value
        return value

    def index(self, key: bytes) -> bytes | None:
        if key not in self._pointers:
            raise VerificationError("missing-fact", "an object's pointer is left out")
        found, proof = self._pointers[key]
        batch = view.batch(self, found.batch_root)
        if batch is None:
            raise VerificationError("bad-pointer", "its batch was never anchored")
        member = merkle_verify("pointer", found.batch_root, batch.count, found.index, found.pointer, proof)
        if not member:
            raise VerificationError("bad-pointer", "it is not in its batch")
        self._used_pointers[key] = None
        return encode(found)

    def transaction(self, id_: bytes) -> TransactionBody:
        if id_ in self.bodies:
            return self.bodies[id_]
        if id_ not in self._by_id:
            raise VerificationError("missing-fact", "a transaction that the decision rests on is left out")
        encoded, signature = self._by_id[id_]
        body = decode(encoded, TransactionBody, limit_bytes=MAX_TRANSACTION_BYTES)
        if (body.suite, body.chain_id) != (SUITE, self._chain_id):
            raise VerificationError("bad-transaction", "it is of another suite or chain")
        if not self._verify(body.signer, signing_bytes("transaction", self._chain_id, encoded), signature):
            raise VerificationError("bad-transaction", "its signature does not verify")
        if isinstance(body.payload, Apply):
            self._check_possession(body.payload)
        self.bodies[id_] = body
        return body

    def _check_possession(self, said: Apply) -> None:
        signed = possession_bytes(self._chain_id, said.request_id, said.project_sealing_key, said.purpose)
        if not self._verify(said.project_key, signed, said.possession):
            raise VerificationError("bad-transaction", "the project's key did not prove possession")

    def row(self, digest: bytes) -> Row | None:
        row = self._row_by_digest.get(digest)
        if row is not None:
            self._used_rows[digest] = None
        return row

    def require_all_used(self) -> None:
        """Whatever was not needed could be anything, so there may be none of it."""
        used = [key for key, value in self.entries.items() if value is not None]
        _require_used("entries of the state", self.records, used)
        _require_used("nodes", self.nodes, self._witness.used_nodes)
        _require_used("buckets", self.buckets, self._witness.used_buckets)
        _require_used("pointers", self._pointers, self._used_pointers)
        _require_used("transactions", self._by_id, self.bodies)
        _require_used("rows", self._row_by_digest, self._used_rows)
        distinct = (len(self.records), len(self._pointers), len(self._by_id))
        if self._listed != distinct or len(self._rows) != len(self._row_by_digest):
            raise VerificationError("receipt-not-minimal", "something stands in it twice")


def _fields(data: bytes) -> Fields:
    try:
        content = cbor.decode(data, limit_bytes=MAX_RECEIPT_BYTES, limit_items=MAX_RECEIPT_ITEMS)
        version = content.get("version") if isinstance(content, dict) else None
        names = RECEIPT_FIELDS.get(version) if isinstance(version, int) else None
        fields = Fields(content, names or RECEIPT_FIELDS[RECEIPT_VERSION], "the receipt")
        if fields.text("type") != RECEIPT_TYPE or fields.number("version") not in RECEIPT_FIELDS:
            raise FieldError("it is not a release receipt of a version that is known here")
    except (cbor.CborError, FieldError) as error:
        raise VerificationError("receipt-malformed", str(error)) from None
    return fields


def _epoch(fields: Fields, founding: Founding, verify: Verify) -> EpochRecord:
    """The receipt's epoch: the founding voters', or the one to which the epochs' steps lead."""
    if fields.number("version") == RECEIPT_VERSION:
        return founding_schedule(founding).latest
    items = fields.items("epochs", MAX_STEPS)
    steps = [decode(_octets(item), EpochStep, limit_bytes=MAX_STEP_BYTES) for item in items]
    if not steps:
        raise FieldError("a receipt of version 2 shows how members changed")
    return verify_proof_of_epochs(steps, founding, verify=verify).latest


def _header(fields: Fields, founding: Founding, epoch: EpochRecord) -> BlockHeader:
    voters = epoch.voters
    header = decode(fields.octets("header"), BlockHeader, limit_bytes=MAX_HEADER_BYTES)
    if header.chain_id != founding.chain_id or fields.octets("chain") != founding.chain_id:
        raise VerificationError("wrong-chain", f"it is of chain {header.chain_id.hex()[:16]}")
    if header.version != HEADER_VERSION or header.height < max(1, epoch.first_height):
        raise VerificationError("bad-header", f"version {header.version}, height {header.height}")
    if header.epoch != voters.epoch or header.validators != voters.digest():
        raise VerificationError("unknown-validators", f"epoch {header.epoch}")
    return header


def _check_genesis(facts: _Facts, founding: Founding) -> tuple[int, int]:
    """How many members and registrars in the state are the genesis document's, and how many members joined
    later, as its validators had it. A founding member may have another validator key by now."""
    expected = {keys.registrar(one.id): encode(one) for one in founding.registrars}
    members = {keys.member(member.number): member for member in founding.members}
    count = joined = 0
    for key, value in facts.entries.items():
        if key.startswith(b"member/") and key not in members and value is not None:
            joined += 1
        elif key.startswith((b"member/", b"registrar/")):
            count += 1
            if key in members and value is not None:
                held = decode(value, MemberRecord, limit_bytes=RECORD_BYTES)
                own = structs.replace(members[key], validator_key=held.validator_key)
                expected[key] = encode(own)
            if expected.get(key) != value:
                raise VerificationError("bad-proof", "a member or registrar is not genesis' own")
    return count, joined


def _report(
    header: BlockHeader,
    certificate: QuorumCertificate,
    facts: _Facts,
    found: Examination,
    roots: tuple[int, int],
) -> Report:
    present = sum(value is not None for value in facts.entries.values())
    absent = len(facts.entries) - present
    release = found.release
    authorised = sum(not verdict.rule for verdict in release.verdicts)
    outcome = f"{release.outcome} {release.rule}".strip()
    known, joined = roots
    more = f", {joined} members who joined later" if joined else ""
    steps = f"{header.epoch} changes of the validators, each certified by those before it"
    checks = (
        Check("chain", f"{header.chain_id.hex()[:16]}, the genesis document's"),
        *([Check("epochs", steps)] if header.epoch else []),
        Check("certificate", f"height {header.height}, {len(certificate.votes)} votes, a quorum"),
        Check("state", f"{present} entries proven present, {absent} proven absent"),
        Check("transactions", f"{len(facts.bodies)} signatures, each by the key that may"),
        Check("keys", f"{known} members and registrars, the genesis document's{more}"),
        Check("enrolments", f"{found.enrolments}, attested from outside and proven by the patient"),
        Check("objects", f"{len(release.verdicts)} pointers, each in its anchored batch"),
        Check("decision", f"{outcome}: {authorised} of {len(release.verdicts)}, evaluated again"),
    )
    return Report(release, found.request, header, checks)


def verify_receipt(data: bytes, founding: Founding, *, verify: Verify) -> Report:
    """Verify a ReleaseReceipt. `founding` comes from the genesis document, the only other input.

    Raises VerificationError with the rule that it breaks.
    """
    fields = _fields(data)
    try:
        epoch = _epoch(fields, founding, verify)
        header = _header(fields, founding, epoch)
        certificate = decode(
            fields.octets("certificate"), QuorumCertificate, limit_bytes=MAX_CERTIFICATE_BYTES
        )
        verify_certificate(certificate, header, epoch.voters, verify)
        facts = _Facts(fields, header, verify)
        found = examine(
            facts,
            facts.row,
            facts.transaction,
            request_id=fields.octets("request"),
            height=header.height,
            time_ms=header.time_ms,
        )
    except (DecodeError, FieldError) as error:
        raise VerificationError("receipt-malformed", str(error)) from None
    roots = _check_genesis(facts, founding)
    facts.require_all_used()
    return _report(header, certificate, facts, found, roots)
