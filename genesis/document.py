"""The genesis file: {"body": bytes, "signatures": {member id: 64 bytes}} in deterministic CBOR.

The body is the document; its digest is the chain's id. Each member signs
`signing_bytes("genesis", chain_id, body)` with its validator key, and a node starts from a file only
that carries every member's signature.
"""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from consensus.domain import SIGNATURE_BYTES, signing_bytes
from consensus.parameters import Parameters
from genesis import cbor
from genesis.cbor import Plain
from genesis.checks import brief, errors_of
from genesis.codes import (
    GEN_BAD_SIGNATURE,
    GEN_INVALID,
    GEN_MALFORMED,
    GEN_UNREADABLE,
    GEN_UNSIGNED,
)
from genesis.errors import OperatorError, quoted
from genesis.fields import FieldError, Fields
from genesis.keys import verify
from genesis.model import (
    LATER_PARAMETERS,
    PARAMETER_NAMES,
    Genesis,
    Member,
    Registrar,
    Trustee,
    chain_id_of,
    encode_body,
)

__all__ = [
    "MAX_FILE_BYTES",
    "Genesis",
    "GenesisFile",
    "Member",
    "Registrar",
    "Trustee",
    "chain_id_of",
    "decode_body",
    "encode_body",
    "encode_file",
    "load_genesis",
    "parse_file",
    "parse_genesis",
    "read_limited",
    "signed_body_bytes",
]

MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_ROSTER = 1_000
_BODY_FIELDS = (
    "version",
    "suite",
    "network",
    "created_ms",
    "transport",
    "parameters",
    "members",
    "registrars",
    "trustees",
    "trustee_threshold",
    "trustee_faults",
)
_MEMBER_FIELDS = (
    "number",
    "id",
    "name",
    "validator_key",
    "transport_key",
    "sealing_key",
    "steward_key",
)
_REGISTRAR_FIELDS = ("id", "name", "operator", "key")
_TRUSTEE_FIELDS = ("id", "name", "operator", "key", "sealing_key")


@dataclass(frozen=True, slots=True)
class GenesisFile:
    """A genesis file as it was read: the document, its exact bytes, and the signatures so far."""

    genesis: Genesis
    body: bytes
    signatures: Mapping[str, bytes]

    def missing(self) -> list[str]:
        """Ids of the members that have not signed."""
        return [member.id for member in self.genesis.members if member.id not in self.signatures]


def signed_body_bytes(body: bytes) -> bytes:
    """What a member signs to accept the document."""
    return signing_bytes("genesis", chain_id_of(body), body)


def encode_file(body: bytes, signatures: Mapping[str, bytes]) -> bytes:
    return cbor.encode({"body": body, "signatures": dict(signatures)})


def _parameters(named: Mapping[str, Plain]) -> Parameters:
    names = [name for name in PARAMETER_NAMES if name not in LATER_PARAMETERS or name in named]
    fields = Fields(dict(named), names, "parameters")
    values = {**dict.fromkeys(LATER_PARAMETERS, 0), **{name: fields.number(name) for name in names}}
    for name in LATER_PARAMETERS:
        if name in named and not values[name]:
            raise FieldError(f"parameters: {name} is left out where it is 0")
    return Parameters(**values)


def decode_body(body: bytes) -> Genesis:
    """Decode the document strictly; its rules are looked at by `checks`.

    Raises CborError and FieldError.
    """
    fields = Fields(cbor.decode(body, limit_bytes=MAX_FILE_BYTES), _BODY_FIELDS, "the document")
    return Genesis(
        version=fields.number("version"),
        suite=fields.number("suite"),
        network=fields.text("network"),
        created_ms=fields.number("created_ms"),
        transport=fields.text("transport"),
        parameters=_parameters(fields.map("parameters")),
        members=tuple(_member(item) for item in fields.items("members", MAX_ROSTER)),
        registrars=tuple(_registrar(item) for item in fields.items("registrars", MAX_ROSTER)),
        trustees=tuple(_trustee(item) for item in fields.items("trustees", MAX_ROSTER)),
        trustee_threshold=fields.number("trustee_threshold"),
        trustee_faults=fields.number("trustee_faults"),
    )


def _member(item: cbor.Plain) -> Member:
    fields = Fields(item, _MEMBER_FIELDS, "a member")
    return Member(
        number=fields.number("number"),
        id=fields.text("id"),
        name=fields.text("name"),
        validator_key=fields.octets("validator_key"),
        transport_key=fields.octets("transport_key"),
        sealing_key=fields.octets("sealing_key"),
        steward_key=fields.octets("steward_key"),
    )


def _registrar(item: cbor.Plain) -> Registrar:
    fields = Fields(item, _REGISTRAR_FIELDS, "a registrar")
    return Registrar(fields.text("id"), fields.text("name"), fields.text("operator"), fields.octets("key"))


def _trustee(item: cbor.Plain) -> Trustee:
    fields = Fields(item, _TRUSTEE_FIELDS, "a trustee")
    return Trustee(
        fields.text("id"),
        fields.text("name"),
        fields.text("operator"),
        fields.octets("key"),
        fields.octets("sealing_key"),
    )


def parse_file(data: bytes, source: str = "the genesis file") -> GenesisFile:
    """Decode a genesis file and check its rules and every signature that it holds.

    `source` names it in errors. Raises OperatorError GEN-02 (malformed), GEN-05 (breaks a rule),
    GEN-04 (a signature of no member, or one that does not verify).
    """
    try:
        fields = Fields(cbor.decode(data, limit_bytes=MAX_FILE_BYTES), ("body", "signatures"), "the file")
        body = fields.octets("body")
        signatures = fields.map("signatures")
        genesis = decode_body(body)
    except (cbor.CborError, FieldError) as error:
        raise OperatorError(
            GEN_MALFORMED,
            f"{source} is not a genesis document: {error}",
            unchanged="nothing was taken from it",
            next_step="ask the member who built the document for the file again, and compare its size",
        ) from None
    broken = errors_of(genesis)
    if broken:
        raise OperatorError(
            GEN_INVALID,
            f"{source} breaks {len(broken)} rule(s): {brief(broken)}",
            unchanged="nothing was taken from it",
            next_step="build it again from corrected join requests: chainnode genesis build",
        )
    checked: dict[str, bytes] = {}
    for slug, signature in signatures.items():
        member = genesis.member_by_id(slug)
        if (
            member is None
            or not isinstance(signature, bytes)
            or len(signature) != SIGNATURE_BYTES
            or not verify(member.validator_key, signed_body_bytes(body), signature)
        ):
            raise OperatorError(
                GEN_BAD_SIGNATURE,
                f"{source}: the signature under {slug[:40]!r} is not that member's on this document",
                unchanged="nothing was taken from it",
                next_step=f"let {slug[:40]!r} sign the document again: chainnode genesis sign",
            )
        checked[slug] = signature
    return GenesisFile(genesis, body, checked)


def parse_genesis(
    data: bytes, *, require_signatures: bool = True, source: str = "the genesis file"
) -> Genesis:
    """The document in `data`. Raises what `parse_file` raises, and OperatorError GEN-03 naming the
    members whose signatures are missing, unless `require_signatures` is false."""
    file = parse_file(data, source)
    missing = file.missing()
    if require_signatures and missing:
        raise OperatorError(
            GEN_UNSIGNED,
            f"{source} lacks the signature of {', '.join(missing)}",
            unchanged="no chain is started from a document that a member has not signed",
            next_step="ask for that copy, then: "
            f"chainnode genesis combine {quoted(source)} COPY --out {quoted(source)}",
        )
    return file.genesis


def read_limited(path: Path, limit_bytes: int) -> bytes:
    """A file's bytes. Raises OperatorError GEN-01 where it cannot be read or is longer than that."""
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        hint = f"ls -l {shlex.quote(str(path))}  # check the path, the file's owner and its mode"
        raise OperatorError(
            GEN_UNREADABLE, f"{path} cannot be read: {reason}", unchanged="nothing changed", next_step=hint
        ) from None
    if len(data) > limit_bytes:
        raise OperatorError(
            GEN_UNREADABLE,
            f"{path} is longer than {limit_bytes} bytes",
            unchanged="it was not read further",
            next_step="check that this is the file you mean",
        )
    return data


def load_genesis(path: Path) -> Genesis:
    """Read a genesis file that every member has signed. Raises OperatorError GEN-01 to GEN-05."""
    return parse_genesis(read_limited(path, MAX_FILE_BYTES), source=str(path))
