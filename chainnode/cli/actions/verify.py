"""Verification on a laptop: a file and the genesis document, no node, no network."""

from dataclasses import dataclass
from pathlib import Path

from chainnode.cli.actions.files import read_limited
from chainnode.cli.errors import CLI_VERIFY, usage
from chainnode.cli.next_steps import command
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.evidencefile import (
    EVIDENCE_FIELDS,
    MAX_EVIDENCE_FILE_BYTES,
    Conviction,
    verify_evidence,
)
from chainnode.ledger.founding import Founding, founding_of
from chainnode.ledger.receipt import MAX_RECEIPT_BYTES
from chainnode.ledger.statement import AdmissionRefusal, verify_refusal
from chainnode.ledger.verification import Report, verify_receipt
from genesis import cbor
from genesis.document import GenesisFile, load_genesis, parse_file
from genesis.errors import OperatorError
from genesis.keys import verify

Verified = GenesisFile | Report | AdmissionRefusal | Conviction


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """What a file turned out to be, checked."""

    path: Path
    content: Verified


def verify_file(path: Path, genesis: Path | None) -> VerifiedFile:
    """Check a genesis file, or a receipt, evidence or a node's statement (which all need `genesis`).

    Raises OperatorError GEN-xx, CLI-01 (no genesis given), CLI-02, CLI-09 (it does not verify).
    """
    data = read_limited(path, max(MAX_RECEIPT_BYTES, MAX_EVIDENCE_FILE_BYTES), "the file")
    fields = _cbor_fields(data)
    if genesis is None and "type" in fields:
        raise usage(
            f"{path} can only be checked against a genesis document",
            command("verify", "--help", remark="--genesis names the network's genesis file"),
        )
    if genesis is None or fields == {"body", "signatures"}:
        file = parse_file(data, str(path))
        missing = file.missing()
        if missing:
            raise _not_proven(path, f"it lacks the signature of {', '.join(missing)}")
        return VerifiedFile(path, file)
    founding = founding_of(load_genesis(genesis))
    try:
        if fields == EVIDENCE_FIELDS:
            return VerifiedFile(path, verify_evidence(data, founding, verify=verify))
        return VerifiedFile(path, _receipt_or_statement(data, founding))
    except VerificationError as error:
        raise _not_proven(path, str(error)) from None


def _cbor_fields(data: bytes) -> set[str]:
    """The names in a CBOR map; none where the bytes are something else."""
    try:
        outer = cbor.decode(data, limit_bytes=MAX_RECEIPT_BYTES)
    except cbor.CborError:
        return set()
    return {str(name) for name in outer} if isinstance(outer, dict) else set()


def _receipt_or_statement(data: bytes, founding: Founding) -> Report | AdmissionRefusal:
    try:
        return verify_receipt(data, founding, verify=verify)
    except VerificationError as receipt:
        try:
            return verify_refusal(data, founding, verify=verify)
        except VerificationError:
            raise receipt from None


def _not_proven(path: Path, reason: str) -> OperatorError:
    return OperatorError(
        CLI_VERIFY,
        f"{path} does not prove what it says: {reason}",
        unchanged="the file is as it was",
        next_step="ask for it again, and compare the genesis document's six words",
    )
