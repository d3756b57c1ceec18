"""Verification on a laptop: a file and the genesis document, no node, no network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chainnode.cli.actions.files import read_limited
from chainnode.cli.actions.visas import Visa, looks_like_visa, verify_visa
from chainnode.cli.errors import CLI_VERIFY, bad_input, usage
from chainnode.cli.next_steps import command
from chainnode.ledger.answer import ANSWER_TYPE, ConsentAnswer, verify_answer
from chainnode.ledger.audit import AUDIT_TYPE, AuditReport, verify_audit
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.evidencefile import (
    EVIDENCE_FIELDS,
    MAX_EVIDENCE_FILE_BYTES,
    Conviction,
    verify_evidence,
)
from chainnode.ledger.founding import Founding, founding_of
from chainnode.ledger.receipt import MAX_RECEIPT_BYTES, MAX_RECEIPT_ITEMS
from chainnode.ledger.statement import AdmissionRefusal, NodeStatement, verify_refusal
from chainnode.ledger.verification import Report, verify_receipt
from chainnode.node.clock import wall_ms
from consensus.codec import DecodeError, decode
from genesis import cbor
from genesis.codes import GEN_MALFORMED
from genesis.document import GenesisFile, load_genesis, parse_file
from genesis.errors import OperatorError
from genesis.keys import verify
from genesis.membership import ChangeError, parse_change

SIGNED_FIELDS = {"body", "signatures"}
"""Of a genesis file, and of a change of members."""
NEITHER = "neither a genesis document, a receipt, an answer, an audit, a statement nor evidence"

Verified = GenesisFile | Report | ConsentAnswer | AuditReport | AdmissionRefusal | Conviction | Visa


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """What a file turned out to be, checked. `names`: the founding members' slugs by number."""

    path: Path
    content: Verified
    names: Mapping[int, str] = field(default_factory=dict)


def verify_file(path: Path, genesis: Path | None) -> VerifiedFile:
    """Check a genesis file, or any other proof (which all need `genesis`).

    Raises OperatorError GEN-xx, CLI-01 (no genesis given), CLI-02, CLI-09 (it does not verify).
    """
    data = read_limited(path, max(MAX_RECEIPT_BYTES, MAX_EVIDENCE_FILE_BYTES), "the file")
    outer = _cbor_map(data)
    fields, kind = {str(name) for name in outer}, outer.get("type")
    visa = looks_like_visa(data)
    proof = "type" in fields or visa or _is_statement(data)
    if genesis is None and proof:
        raise usage(
            f"{path} can only be checked against a genesis document",
            command("verify", "--help", remark="--genesis names the network's genesis file"),
        )
    if fields == SIGNED_FIELDS:
        return VerifiedFile(path, _signed_by_all(data, path))
    if genesis is None:
        raise bad_input(f"{path} is {NEITHER}", command("verify", "--help"))
    founding = founding_of(load_genesis(genesis))
    try:
        if visa:
            return VerifiedFile(path, verify_visa(data, founding, wall_ms(), verify=verify))
        if fields == EVIDENCE_FIELDS:
            return VerifiedFile(path, verify_evidence(data, founding, verify=verify))
        if kind == ANSWER_TYPE:
            return VerifiedFile(path, verify_answer(data, founding, verify=verify))
        if kind == AUDIT_TYPE:
            names = {one.number: one.id for one in founding.members}
            return VerifiedFile(path, verify_audit(data, founding, verify=verify), names)
        return VerifiedFile(path, _receipt_or_statement(data, founding))
    except VerificationError as error:
        reason = str(error) if proof else f"{error}; it is {NEITHER}"
        raise _not_proven(path, reason) from None


def _signed_by_all(data: bytes, path: Path) -> GenesisFile:
    """Raises OperatorError GEN-02 to GEN-05, CLI-02 (a change of members), CLI-09 (signatures lack)."""
    try:
        file = parse_file(data, str(path))
    except OperatorError as error:
        if error.code is GEN_MALFORMED and _is_change(data):
            shown = command("member", "show", path, node=False)
            raise bad_input(f"{path} is a change of members, which the chain decides on", shown) from None
        raise
    if missing := file.missing():
        combine = command(
            "genesis", "combine", "--help", remark="brings the signatures of all copies together"
        )
        raise _not_proven(path, f"it lacks the signature of {', '.join(missing)}", combine)
    return file


def _is_change(data: bytes) -> bool:
    try:
        parse_change(data)
    except ChangeError:
        return False
    return True


def _is_statement(data: bytes) -> bool:
    try:
        decode(data, NodeStatement, limit_bytes=MAX_RECEIPT_BYTES)
    except DecodeError:
        return False
    return True


def _cbor_map(data: bytes) -> Mapping[str, cbor.Plain]:
    """A CBOR map; an empty one where the bytes are something else."""
    try:
        outer = cbor.decode(data, limit_bytes=MAX_RECEIPT_BYTES, limit_items=MAX_RECEIPT_ITEMS)
    except cbor.CborError:
        return {}
    return outer if isinstance(outer, dict) else {}


def _receipt_or_statement(data: bytes, founding: Founding) -> Report | AdmissionRefusal:
    try:
        return verify_receipt(data, founding, verify=verify)
    except VerificationError as receipt:
        try:
            return verify_refusal(data, founding, verify=verify)
        except VerificationError:
            raise receipt from None


def require_young(verified: VerifiedFile, max_age_ms: int, now_ms: int) -> None:
    """Raises OperatorError CLI-09 where the block is older than this, by this machine's clock."""
    content = verified.content
    if isinstance(content, AuditReport):
        time_ms = content.last.time_ms
    elif isinstance(content, Report | ConsentAnswer):
        time_ms = content.header.time_ms
    else:
        raise usage(f"{verified.path} tells no time", "leave out --max-age")
    if now_ms - time_ms > max_age_ms:
        raise _not_proven(verified.path, "its block is older than --max-age allows", "ask for a fresh one")


def _not_proven(
    path: Path,
    reason: str,
    following: str = "ask for it again, and compare the genesis document's six words",
) -> OperatorError:
    return OperatorError(
        CLI_VERIFY,
        f"{path} does not prove what it says: {reason}",
        unchanged="the file is as it was",
        next_step=following,
    )
