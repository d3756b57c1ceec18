"""Join requests: how a member, registrar or trustee hands in its public keys.

A text file that survives mail: human-readable lines, then the request between BEGIN and END lines in
base64 with a check line. The request is {"body": bytes, "signature": 64 bytes} in deterministic CBOR,
signed by the key it presents. Anything in the file that does not follow from the request is refused:
what a person reads there must be what a program takes from it.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from consensus.domain import DIGEST_BYTES, digest, signing_bytes
from genesis import cbor
from genesis.checks import id_error, name_error, slug_error
from genesis.codes import GEN_REQUEST_FORGED, GEN_REQUEST_MALFORMED
from genesis.errors import OperatorError
from genesis.fields import FieldError, Fields
from genesis.keys import valid_sealing_key, valid_signing_key, verify
from genesis.words import fingerprint_words

MAX_REQUEST_BYTES = 64 * 1024
BEGIN = "-----BEGIN CHAINNODE JOIN REQUEST-----"
END = "-----END CHAINNODE JOIN REQUEST-----"
REQUEST_VERSION = 1
_LINE_CHARS = 64
_CHECK_HEX = 16
_NO_CHAIN = bytes(DIGEST_BYTES)


@dataclass(frozen=True, slots=True)
class MemberKeys:
    """What a hospital's node and steward present. Ed25519, `sealing` MLKEM768-X25519."""

    validator: bytes
    transport: bytes
    sealing: bytes
    steward: bytes


@dataclass(frozen=True, slots=True)
class RegistrarKeys:
    signing: bytes
    operator: str


@dataclass(frozen=True, slots=True)
class TrusteeKeys:
    signing: bytes
    sealing: bytes
    operator: str


Keys: TypeAlias = MemberKeys | RegistrarKeys | TrusteeKeys


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """`id` and `name` as they shall stand in genesis; `keys` says which roster it is for."""

    network: str
    id: str
    name: str
    keys: Keys
    signature: bytes

    @property
    def kind(self) -> str:
        return {MemberKeys: "member", RegistrarKeys: "registrar", TrusteeKeys: "trustee"}[type(self.keys)]

    @property
    def key(self) -> bytes:
        """The key that signs the request: a member's validator key, else the signing key."""
        return self.keys.validator if isinstance(self.keys, MemberKeys) else self.keys.signing

    @property
    def words(self) -> tuple[str, ...]:
        """The fingerprint of everything the request says, to be compared by telephone."""
        return fingerprint_words(request_body(self.network, self.id, self.name, self.keys))


def request_body(network: str, slug: str, name: str, keys: Keys) -> bytes:
    fields: dict[str, cbor.Plain] = {"version": REQUEST_VERSION, "network": network, "id": slug, "name": name}
    if isinstance(keys, MemberKeys):
        fields |= {
            "kind": "member",
            "validator_key": keys.validator,
            "transport_key": keys.transport,
            "sealing_key": keys.sealing,
            "steward_key": keys.steward,
        }
    elif isinstance(keys, RegistrarKeys):
        fields |= {"kind": "registrar", "key": keys.signing, "operator": keys.operator}
    else:
        fields |= {
            "kind": "trustee",
            "key": keys.signing,
            "sealing_key": keys.sealing,
            "operator": keys.operator,
        }
    return cbor.encode(fields)


def request_signed_bytes(body: bytes) -> bytes:
    """What the presented key signs; there is no chain yet, so its id is 32 zero bytes."""
    return signing_bytes("join-request", _NO_CHAIN, body)


def identity_errors(network: str, slug: str, name: str, operator: str) -> list[tuple[str, str]]:
    """What of these could not stand in genesis: (its field, why), before any key is made."""
    texts = {
        "network": slug_error(network),
        "id": id_error(slug),
        "name": name_error(name),
        "operator": slug_error(operator),
    }
    return [(field, text) for field, text in texts.items() if text]


def make_request(
    network: str, slug: str, name: str, keys: Keys, sign: Callable[[bytes], bytes]
) -> JoinRequest:
    """Sign a request. Raises OperatorError GEN-06 where id, name or a key is not fit for genesis."""
    request = JoinRequest(
        network, slug, name, keys, sign(request_signed_bytes(request_body(network, slug, name, keys)))
    )
    _check(request, "the request")
    return request


def render_request(request: JoinRequest) -> str:
    """The text file: what a person reads, then the armoured request."""
    body = request_body(request.network, request.id, request.name, request.keys)
    data = cbor.encode({"body": body, "signature": request.signature})
    armoured = base64.b64encode(data).decode("ascii")
    lines = [
        f"Request to join the network {request.network} as {request.kind}",
        f"Id:    {request.id}",
        f"Name:  {request.name}",
        f"Words: {' '.join(request.words)}",
    ]
    if not isinstance(request.keys, MemberKeys):
        lines.append(f"Run by: {request.keys.operator}")
    lines += [
        "Read the words out to whoever builds the genesis document.",
        "",
        BEGIN,
        *(armoured[start : start + _LINE_CHARS] for start in range(0, len(armoured), _LINE_CHARS)),
        "=" + digest("armour", data).hex()[:_CHECK_HEX],
        END,
    ]
    return "\n".join(lines) + "\n"


def parse_request(text: bytes, source: str = "the join request") -> JoinRequest:
    """Read a request's text file.

    Raises OperatorError GEN-06 (not in the one allowed form, text that does not follow from the
    request, unfit id, name or key) and GEN-07 (not signed by the key it presents).
    """
    if len(text) > MAX_REQUEST_BYTES:
        raise _malformed(source, f"it has {len(text)} bytes, at most {MAX_REQUEST_BYTES} are taken")
    try:
        lines = [line.strip() for line in text.decode("utf-8").replace("\r\n", "\n").split("\n")]
    except UnicodeDecodeError:
        raise _malformed(source, "it is not UTF-8 text") from None
    if lines.count(BEGIN) != 1 or lines.count(END) != 1 or lines.index(END) < lines.index(BEGIN):
        raise _malformed(source, "it does not hold exactly one BEGIN and one END line")
    armoured = lines[lines.index(BEGIN) + 1 : lines.index(END)]
    request = _decode(_unarmour(armoured, source), source)
    _check(request, source)
    given = [line for line in lines if line]
    expected = [line for line in render_request(request).split("\n") if line]
    for line in given:
        if line not in expected:
            raise _malformed(source, f"the line {line[:60]!r} does not follow from the signed request")
    if given != expected:
        raise _malformed(source, "its lines are not those of the signed request")
    return request


def _malformed(source: str, reason: str) -> OperatorError:
    return OperatorError(
        GEN_REQUEST_MALFORMED,
        f"{source} is not a join request: {reason}",
        unchanged="nothing was taken from it",
        next_step="ask its sender for the file again, as an attachment",
    )


def _unarmour(lines: list[str], source: str) -> bytes:
    if len(lines) < 2:
        raise _malformed(source, "the armoured part is empty")
    try:
        data = base64.b64decode("".join(lines[:-1]), validate=True)
    except (binascii.Error, ValueError):
        raise _malformed(source, "the armoured part is not base64") from None
    if lines[-1] != "=" + digest("armour", data).hex()[:_CHECK_HEX]:
        raise _malformed(source, "the check line does not fit: the text was changed on its way")
    return data


def _decode(data: bytes, source: str) -> JoinRequest:
    try:
        outer = Fields(cbor.decode(data, limit_bytes=MAX_REQUEST_BYTES), ("body", "signature"), "the request")
        body, signature = outer.octets("body"), outer.octets("signature")
        decoded = cbor.decode(body, limit_bytes=MAX_REQUEST_BYTES)
        kind = decoded.get("kind") if isinstance(decoded, dict) else None
        names = _KEY_FIELDS.get(kind) if isinstance(kind, str) else None
        if names is None:
            raise FieldError("its kind is none of member, registrar, trustee")
        fields = Fields(decoded, ("version", "network", "kind", "id", "name", *names), "the request")
        if fields.number("version") != REQUEST_VERSION:
            raise FieldError(f"version {fields.number('version')} is not known here")
        request = JoinRequest(
            fields.text("network"), fields.text("id"), fields.text("name"), _keys(kind, fields), signature
        )
    except (cbor.CborError, FieldError) as error:
        raise _malformed(source, str(error)) from None
    if not verify(request.key, request_signed_bytes(body), signature):
        raise OperatorError(
            GEN_REQUEST_FORGED,
            f"{source} is not signed by the key that it presents",
            unchanged="nothing was taken from it",
            next_step=f"call {request.id[:40]!r} and ask who wrote it",
        )
    return request


_KEY_FIELDS: dict[str, tuple[str, ...]] = {
    "member": ("validator_key", "transport_key", "sealing_key", "steward_key"),
    "registrar": ("key", "operator"),
    "trustee": ("key", "sealing_key", "operator"),
}


def _keys(kind: object, fields: Fields) -> Keys:
    if kind == "member":
        return MemberKeys(
            fields.octets("validator_key"),
            fields.octets("transport_key"),
            fields.octets("sealing_key"),
            fields.octets("steward_key"),
        )
    if kind == "registrar":
        return RegistrarKeys(fields.octets("key"), fields.text("operator"))
    return TrusteeKeys(fields.octets("key"), fields.octets("sealing_key"), fields.text("operator"))


def request_problems(request: JoinRequest) -> list[str]:
    """What of a request could not stand in genesis: id, name, keys. Its signature is not looked at."""
    keys = request.keys
    if isinstance(keys, MemberKeys):
        signing, sealing, operator = (
            [keys.validator, keys.transport, keys.steward],
            [keys.sealing],
            request.id,
        )
    else:
        signing, operator = [keys.signing], keys.operator
        sealing = [keys.sealing] if isinstance(keys, TrusteeKeys) else []
    texts = [text for _, text in identity_errors(request.network, request.id, request.name, operator)]
    if not all(valid_signing_key(key) for key in signing) or len(set(signing)) < len(signing):
        texts.append("a signing key is weak, damaged or given twice")
    if not all(valid_sealing_key(key) for key in sealing):
        texts.append("a sealing key is weak or damaged")
    return texts


def _check(request: JoinRequest, source: str) -> None:
    """Refuse it while its sender is still at hand."""
    for text in request_problems(request):
        raise _malformed(source, text)
