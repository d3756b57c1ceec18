"""Every format that comes from outside: how it is read, what reading may raise, and good examples.

Signatures hold for whatever they stand under here (`anything_holds`), so that damage gets to the code
behind the check of signatures too."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from msgspec import structs

from chainnode.cli.actions.fhir_consent import parse_consent
from chainnode.intake.bundle import Limits, parse_bundle
from chainnode.intake.errors import BundleError
from chainnode.intake.process import process_bundle
from chainnode.ledger.admission import check_batch, check_form
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.evidencefile import encode_evidence, verify_evidence
from chainnode.ledger.statement import AdmissionRefusal, sign_refusal, verify_refusal
from chainnode.ledger.subtree import cut_subtree
from chainnode.ledger.transaction import BatchBody, SignedBatch, Submission, batch_signed_bytes
from chainnode.ledger.verification import verify_receipt
from chainnode.net.framing import FrameReader, LinkFault, join_frames
from chainnode.net.wire import SnapshotOffer, decode_frame, encode_frame
from chainnode.node.api import ChainInfo
from chainnode.node.archive import ArchiveError
from chainnode.node.certified import CertifiedBlock, decode_blocks
from chainnode.node.items import History, Item, PersonalRows, StatePart, StateValue, Transactions
from chainnode.node.joinjudge import UnfitError, fit_history, fit_part, fit_rows, fit_transactions
from chainnode.node.offers import judge_offer
from chainnode.pool.container import open_object
from chainnode.pool.errors import ObjectError
from chainnode.pool.recipients import decode_recipients
from chainnode.store.frames import encode_frame as encode_log_frame
from chainnode.store.frames import frame_at, frames_beyond
from chainnode.store.reading import StoredBody
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import valid_point
from chainnode.vault.tdh2 import decode_ciphertext
from consensus.authenticate import authenticate
from consensus.codec import DecodeError, decode, encode
from consensus.equivocation import proven
from consensus.messages import Message
from consensus.parameters import Parameters
from consensus.ready import HoldRecord, PreparedRecord, Record, StableRecord, ViewRecord
from genesis.cbor import CborError
from genesis.document import decode_body, parse_file, parse_genesis
from genesis.errors import OperatorError
from genesis.fields import FieldError
from genesis.membership import (
    ADMIT,
    ChangeError,
    MembershipChange,
    Validator,
    change_signed_bytes,
    encode_change,
    encode_change_file,
    parse_change,
)
from genesis.request import parse_request, render_request
from tests.consensus.fakes import CHAIN, fake_verify, key_of, members
from tests.consensus.fakes import batch as batch_named
from tests.consensus.solo import certificate, commit, prepared, proposal
from tests.consensus.test_pbft_authenticate import good_messages
from tests.fuzz import backups
from tests.genesis.consortium import (
    HOSPITALS,
    consortium,
    hospital_keys,
    public,
    request_for,
    signed_file,
    signer,
    unsigned_file,
)
from tests.intake.bundles import bundle, condition, counting, encounter, observation, patient
from tests.ledger.receipts import authorised
from tests.net.test_wire import EXAMPLES
from tests.pool.objects import CHAIN as POOL_CHAIN
from tests.pool.objects import make

LIMIT = 1 << 20
EVERYBODY = members(4)
PARAMETERS = Parameters()


@dataclass(frozen=True)
class Format:
    """`read` gives anything or raises one of `refusals`. `spelling`: msgpack, cbor, json or bytes."""

    name: str
    spelling: str
    read: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...]
    examples: tuple[bytes, ...]

    def taken(self, data: bytes) -> bool:
        """Whether `data` was read. Whatever else than a refusal comes out goes on up."""
        try:
            self.read(data)
        except self.refusals:
            return False
        return True


def anything_holds(key: bytes, signed: bytes, signature: bytes) -> bool:
    return True


def at(sequence: int):
    return EVERYBODY


def read_message(data: bytes) -> object:
    return authenticate(decode(data, Message, limit_bytes=LIMIT), CHAIN, at, anything_holds)


def read_record(data: bytes) -> object:
    return decode(data, Record, limit_bytes=LIMIT)


def read_evidence_pair(data: bytes) -> object:
    first, second = decode(data, tuple[bytes, bytes], limit_bytes=LIMIT)
    return proven(first, second, key=key_of(2), chain_id=CHAIN, verify=fake_verify, limit_bytes=LIMIT)


CONSENTS = (
    b'{"resourceType":"Consent","status":"active","scope":{"coding":[{"code":"research"}]},"dateTime":"2027",'
    b'"provision":{"type":"permit","period":{"end":"2030"},"purpose":[{"code":"HMB"}],"provision":[]}}',
    b'{"resourceType":"Consent","status":"draft","date":"2027","decision":"deny","category":[],"provision":[]}',
)


def consensus_formats() -> list[Format]:
    first = proposal(3, ())
    records = [
        ViewRecord(0, 2, True),
        HoldRecord(0, 1, 9),
        PreparedRecord(prepared(first)),
        StableRecord(certificate(4)),
        commit(first, 1),
    ]
    words = [encode(commit(proposal(3, (batch_named(number),)), 2)) for number in (1, 2)]
    pair = encode((words[0], words[1]))
    return [
        Format(
            "consensus message",
            "msgpack",
            read_message,
            (DecodeError,),
            tuple(encode(message) for message in good_messages()),
        ),
        Format("vote log record", "msgpack", read_record, (DecodeError,), tuple(map(encode, records))),
        Format("two messages of one key", "msgpack", read_evidence_pair, (DecodeError,), (pair,)),
    ]


# --- transactions ---


def read_submission(data: bytes) -> object:
    submission = decode(data, Submission, limit_bytes=LIMIT)
    return check_form(
        submission,
        chain_id=authorised()[0].chain.chain_id,
        height=1,
        parameters=PARAMETERS,
        verify=anything_holds,
        valid_point=valid_point,
    )


def read_batch(data: bytes) -> object:
    batch = decode(data, SignedBatch, limit_bytes=LIMIT)
    return check_batch(
        batch,
        origin_key=EVERYBODY.key,
        chain_id=authorised()[0].chain.chain_id,
        parameters=PARAMETERS,
        verify=anything_holds,
        valid_point=valid_point,
    )


def read_receipt(data: bytes) -> object:
    return verify_receipt(data, authorised()[0].chain.founding, verify=anything_holds)


def read_statement(data: bytes) -> object:
    return verify_refusal(data, authorised()[0].chain.founding, verify=anything_holds)


def read_evidence_file(data: bytes) -> object:
    return verify_evidence(data, authorised()[0].chain.founding, verify=anything_holds)


def ledger_formats() -> list[Format]:
    scene, _, receipt = authorised()
    chain = scene.chain
    signed = [transaction for transaction, _ in chain.transactions.values()]
    submissions = tuple(encode(Submission(transaction)) for transaction in signed[:12])
    body = encode(BatchBody(0, 1, 50, tuple(signed[:3])))
    sign = chain.validators[0].sign
    batch = encode(SignedBatch(body, sign(batch_signed_bytes(chain.chain_id, body))))
    refusal = AdmissionRefusal(chain.chain_id, bytes(32), "malformed", 5, 0)
    words = [encode(commit(proposal(3, (batch_named(number),)), 0)) for number in (1, 2)]
    evidence = encode_evidence(chain.chain_id, chain.validators[0].public, words[0], words[1])
    return [
        Format("transaction", "msgpack", read_submission, (DecodeError,), submissions),
        Format("batch", "msgpack", read_batch, (DecodeError,), (batch,)),
        Format("receipt", "cbor", read_receipt, (VerificationError,), (receipt,)),
        Format("statement", "msgpack", read_statement, (VerificationError,), (sign_refusal(refusal, sign),)),
        Format("evidence file", "cbor", read_evidence_file, (VerificationError,), (evidence,)),
    ]


# --- between nodes ---


def read_frame(data: bytes) -> object:
    return decode_frame(data, limit_bytes=LIMIT)


def read_stream(data: bytes) -> object:
    return FrameReader(LIMIT, control=True).feed(data)


def read_blocks(data: bytes) -> object:
    return decode_blocks([data, data], authorised()[0].chain.chain_id, at, anything_holds, 16)


def read_log(data: bytes) -> object:
    return frame_at(data, 0), list(frames_beyond(data, 0))


def node_formats() -> list[Format]:
    chain = authorised()[0].chain
    block = CertifiedBlock(chain.headers[-1], (), chain.certificate())
    frames = tuple(map(encode_frame, EXAMPLES))
    log = b"".join(encode_log_frame(number, number - 1, b"record %d" % number) for number in (1, 2, 3))
    return [
        Format("frame between nodes", "msgpack", read_frame, (DecodeError,), frames),
        Format("stream of frames", "bytes", read_stream, (LinkFault,), (join_frames(frames),)),
        Format("certified block", "msgpack", read_blocks, (), (encode(block),)),
        Format("vote log file", "bytes", read_log, (), (log,)),
    ]


# --- files ---


def read_object(data: bytes) -> object:
    sealed = make(b"plaintext" * 9_000)
    return open_object(data, sealed.pointer, POOL_CHAIN, sealed.half_hospital, sealed.half_patient)


def read_bundle(data: bytes) -> object:
    return process_bundle(data, profile="safe-harbor", key=bytes(range(32)), random=counting())


def read_consent(data: bytes) -> object:
    return parse_consent(data, ChainInfo(CHAIN, "net", 0, ((0, "hospital-a", "A"),), 1, 1, 1_000, b""))


def admission() -> bytes:
    """A change of members that four hospitals signed."""
    made = MembershipChange(
        chain_id=CHAIN,
        number=1,
        kind=ADMIT,
        member=4,
        id="espoo",
        key=public("espoo"),
        validators=tuple(Validator(number, slug, public(slug)) for number, slug in enumerate(HOSPITALS)),
        request=request_for("espoo", hospital_keys("espoo")),
        delay_heights=0,
        valid_until_height=1_000,
    )
    body = encode_change(made)
    said = change_signed_bytes(CHAIN, body)
    return encode_change_file(body, {slug: signer(slug)(said) for slug in HOSPITALS})


def file_formats() -> list[Format]:
    requests = consortium()
    unsigned = unsigned_file(requests)
    signed = signed_file(unsigned)
    body = parse_file(signed).body
    sealed = make(b"plaintext" * 9_000).object
    asked = tuple(render_request(request).encode() for request in requests)
    resources = bundle(patient(), encounter(), condition(), observation())
    return [
        Format("genesis file", "cbor", parse_genesis, (OperatorError,), (signed, unsigned)),
        Format("genesis document", "cbor", decode_body, (CborError, FieldError), (body,)),
        Format("join request", "bytes", parse_request, (OperatorError,), asked),
        Format("membership change", "cbor", parse_change, (ChangeError,), (admission(),)),
        Format("object container", "bytes", read_object, (ObjectError,), (sealed.ciphertext,)),
        Format("recipients", "msgpack", decode_recipients, (ObjectError,), (sealed.recipients,)),
        Format("threshold ciphertext", "msgpack", decode_ciphertext, (SealingError,), (sealed.w_p,)),
        Format(
            "FHIR bundle frame",
            "json",
            lambda data: parse_bundle(data, Limits()),
            (BundleError,),
            (resources,),
        ),
        Format("FHIR bundle", "json", read_bundle, (BundleError,), (resources,)),
        Format("FHIR consent", "json", read_consent, (OperatorError,), CONSENTS),
    ]


def backup_formats() -> list[Format]:
    """The file's bytes, and what stands in a file whose bytes are good."""
    return [
        Format(
            "backup",
            "bytes",
            lambda data: backups.read_archive(data, anything_holds),
            (ArchiveError,),
            (backups.archive(),),
        ),
        Format(
            "content of a backup",
            "msgpack",
            lambda data: backups.restore_content(data, anything_holds),
            (DecodeError, ArchiveError, OperatorError),
            (backups.content(),),
        ),
    ]


# --- snapshots ---


def read_item(data: bytes) -> object:
    return decode(data, Item, limit_bytes=LIMIT)


def snapshot_formats() -> list[Format]:
    """What a joining node is sent, as it judges it, and what it is asked for."""
    chain = authorised()[0].chain
    founding, header = chain.headers[0], chain.headers[-1]
    ids, rows = tuple(chain.transactions)[:3], tuple(chain.rows)[:2]
    names = sorted(chain.backend)

    def items(prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        return ((one, chain.backend[one]) for one in names if one.startswith(prefix) and one >= start)

    root, unfit = StatePart(b""), (UnfitError,)
    parts = [cut_subtree(chain.backend.get, items, b"", limit) for limit in (256, LIMIT)]
    offer = SnapshotOffer(encode(header), encode(chain.certificate()), encode(()))
    asked = (root, StateValue(b"key"), History(9), Transactions(ids), PersonalRows(rows))
    return [
        Format("item of a snapshot", "msgpack", read_item, (DecodeError,), tuple(map(encode, asked))),
        Format(
            "part of the state",
            "msgpack",
            lambda data: fit_part(root, data, header.state_root),
            unfit,
            tuple(map(encode, parts)),
        ),
        Format(
            "blocks of a snapshot",
            "msgpack",
            lambda data: fit_history(data, 0, founding.hash()),
            unfit,
            (encode([(founding, StoredBody((), (), ()))]),),
        ),
        Format(
            "transactions of a snapshot",
            "msgpack",
            lambda data: fit_transactions(Transactions(ids), data, chain.chain_id, anything_holds),
            unfit,
            (encode([chain.transactions[one][0] for one in ids]),),
        ),
        Format(
            "personal rows",
            "msgpack",
            lambda data: fit_rows(PersonalRows(rows), data),
            unfit,
            (encode([chain.rows[one] for one in rows]),),
        ),
        Format(
            "offer of a snapshot",
            "msgpack",
            lambda data: judge_offer(structs.replace(offer, header=data), chain.founding, anything_holds),
            unfit,
            (encode(header),),
        ),
    ]


@cache
def formats() -> dict[str, Format]:
    """By name, in a fixed order."""
    between = [*consensus_formats(), *ledger_formats(), *node_formats(), *snapshot_formats()]
    return {one.name: one for one in (*between, *file_formats(), *backup_formats())}
