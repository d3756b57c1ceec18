"""A change of members: what it says, its one encoding, and whether its signatures hold. Pure.

A file {"body": bytes, "signatures": {member id: 64 bytes}} in deterministic CBOR, as genesis is. The body
names the validators that are to sign it, with their keys: so everybody can check the signatures with the
file alone, on a machine without a node, and the chain then compares those validators with its own. A
signature covers `signing_bytes("membership", chain_id, body)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from consensus.domain import DIGEST_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, signing_bytes
from consensus.types import ReplicaId, ReplicaSet, Voter
from genesis import cbor
from genesis.checks import MAX_MEMBERS, id_error
from genesis.fields import FieldError, Fields
from genesis.keys import verify
from genesis.request import JoinRequest, MemberKeys, request_body, request_problems, request_signed_bytes
from genesis.words import fingerprint_words

CHANGE_VERSION = 1
MAX_CHANGE_BYTES = 65_536
MAX_DELAY_HEIGHTS = 100_000
MAX_HEIGHT = 2**53
MAX_NUMBER = 65_535

ADMIT, PROMOTE, DEMOTE, REMOVE, ROTATE = "admit", "promote", "demote", "remove", "rotate"
FEATURE = "feature"
"""No change of members: a feature of the protocol that begins at a height, by the same signatures."""
KINDS = (ADMIT, PROMOTE, DEMOTE, REMOVE, ROTATE, FEATURE)

_BODY_FIELDS = (
    "version", "chain_id", "number", "kind", "member", "id", "key", "validators", "request", "delay_heights",
    "valid_until_height", "fewer_faults",
)  # fmt: skip
_REQUEST_FIELDS = (
    "network", "id", "name", "validator_key", "transport_key", "sealing_key", "steward_key", "signature",
)  # fmt: skip


class ChangeError(ValueError):
    """Bytes that are no change of members, or one with a signature that does not hold."""


@dataclass(frozen=True, slots=True)
class Validator:
    """A validator that stands when the change is made."""

    number: ReplicaId
    id: str
    key: bytes


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """`number`: of the change, from 1 without a gap, so that none is made twice. `member`, `id`: whom it
    concerns; of one to be admitted the number and the id that it gets; of a feature 0 and its name. `key`:
    the member's validator key afterwards, empty where it votes no more. `request`: keys and name of who is
    admitted or rotates keys, self-signed by its validator key. `delay_heights`: how many heights after the
    block that holds it the change takes effect; 0 where nobody's vote changes. `fewer_faults`: it is meant
    that fewer faulty members are tolerated afterwards."""

    chain_id: bytes
    number: int
    kind: str
    member: ReplicaId
    id: str
    key: bytes
    validators: tuple[Validator, ...]
    request: JoinRequest | None
    delay_heights: int
    valid_until_height: int
    fewer_faults: bool = False
    version: int = CHANGE_VERSION

    @property
    def keys(self) -> MemberKeys | None:
        """The keys of the join request in it."""
        if self.request is None:
            return None
        assert isinstance(self.request.keys, MemberKeys), "a change's request is a member's"
        return self.request.keys

    def present(self) -> tuple[Voter, ...]:
        """Who votes now."""
        return tuple(Voter(one.number, one.key) for one in self.validators)

    def voters(self) -> tuple[Voter, ...]:
        """Who votes afterwards; empty where nobody would."""
        return voters_after(self.present(), self.kind, self.member, self.key)

    def needs_delay(self) -> bool:
        """Whether validators have to know of it before it takes effect."""
        return self.kind in (ROTATE, FEATURE) or self.voters() != self.present()

    @property
    def words(self) -> tuple[str, ...]:
        """The fingerprint of all that the change says."""
        return fingerprint_words(encode_change(self))


@dataclass(frozen=True, slots=True)
class ChangeFile:
    """A change with its exact bytes and the good signatures so far, by member id."""

    change: MembershipChange
    body: bytes
    signatures: Mapping[str, bytes]

    @property
    def needed(self) -> int:
        """Signatures of more than half of the validators."""
        return len(self.change.validators) // 2 + 1

    def missing(self) -> list[str]:
        """Ids of the validators that have not signed."""
        return [one.id for one in self.change.validators if one.id not in self.signatures]


def voters_after(present: tuple[Voter, ...], kind: str, member: ReplicaId, key: bytes) -> tuple[Voter, ...]:
    """The voters that follow from `present` by a change of one member."""
    others = tuple(voter for voter in present if voter.id != member)
    votes = len(others) < len(present)
    if kind == PROMOTE or (kind == ROTATE and votes):
        return tuple(sorted((*others, Voter(member, key)), key=lambda voter: voter.id))
    return others if kind in (DEMOTE, REMOVE) else present


def bounds_of(voters: tuple[Voter, ...]) -> tuple[int, int, int]:
    """(n, f, quorum) of these voters, all 0 where there are none."""
    if not voters:
        return (0, 0, 0)
    members = ReplicaSet(0, voters)
    return (members.n, members.f, members.quorum)


def change_signed_bytes(chain_id: bytes, body: bytes) -> bytes:
    """What a validator signs to agree to a change."""
    return signing_bytes("membership", chain_id, body)


def encode_change(change: MembershipChange) -> bytes:
    """The change's bytes: a CBOR map in deterministic encoding."""
    return cbor.encode(
        {
            "version": change.version,
            "chain_id": change.chain_id,
            "number": change.number,
            "kind": change.kind,
            "member": change.member,
            "id": change.id,
            "key": change.key,
            "validators": [{"number": one.number, "id": one.id, "key": one.key} for one in change.validators],
            "request": None if change.request is None else _plain_request(change.request),
            "delay_heights": change.delay_heights,
            "valid_until_height": change.valid_until_height,
            "fewer_faults": int(change.fewer_faults),
        }
    )


def _plain_request(request: JoinRequest) -> cbor.Plain:
    keys = request.keys
    assert isinstance(keys, MemberKeys), "a change's request is a member's"
    return {
        "network": request.network,
        "id": request.id,
        "name": request.name,
        "validator_key": keys.validator,
        "transport_key": keys.transport,
        "sealing_key": keys.sealing,
        "steward_key": keys.steward,
        "signature": request.signature,
    }


def encode_change_file(body: bytes, signatures: Mapping[str, bytes]) -> bytes:
    return cbor.encode({"body": body, "signatures": dict(signatures)})


def parse_change(data: bytes) -> ChangeFile:
    """Decode a change's file and check everything that does not depend on the state: form, ranges, keys, the
    request's self-signature, and every signature that it holds. Raises ChangeError."""
    try:
        fields = Fields(cbor.decode(data, limit_bytes=MAX_CHANGE_BYTES), ("body", "signatures"), "the file")
        body = fields.octets("body")
        signatures = fields.map("signatures")
        change = _decode_change(body)
    except (cbor.CborError, FieldError) as error:
        raise ChangeError(str(error)) from None
    _check(change)
    keys = {one.id: one.key for one in change.validators}
    checked: dict[str, bytes] = {}
    for slug, signature in signatures.items():
        if slug not in keys or not isinstance(signature, bytes):
            raise ChangeError(f"a signature under {slug[:40]!r}, which is no validator in it")
        if not verify(keys[slug], change_signed_bytes(change.chain_id, body), signature):
            raise ChangeError(f"the signature under {slug[:40]!r} is not that validator's on this change")
        checked[slug] = signature
    return ChangeFile(change, body, checked)


def _decode_change(body: bytes) -> MembershipChange:
    fields = Fields(cbor.decode(body, limit_bytes=MAX_CHANGE_BYTES), _BODY_FIELDS, "the change")
    validators = [
        Fields(item, ("number", "id", "key"), "a validator")
        for item in fields.items("validators", MAX_MEMBERS)
    ]
    flag = fields.number("fewer_faults")
    if flag not in (0, 1):
        raise FieldError("fewer_faults is neither 0 nor 1")
    return MembershipChange(
        version=fields.number("version"),
        chain_id=fields.octets("chain_id"),
        number=fields.number("number"),
        kind=fields.text("kind"),
        member=fields.number("member"),
        id=fields.text("id"),
        key=fields.octets("key"),
        validators=tuple(
            Validator(one.number("number"), one.text("id"), one.octets("key")) for one in validators
        ),
        request=_decode_request(fields.optional("request")),
        delay_heights=fields.number("delay_heights"),
        valid_until_height=fields.number("valid_until_height"),
        fewer_faults=bool(flag),
    )


def _decode_request(item: cbor.Plain) -> JoinRequest | None:
    if item is None:
        return None
    fields = Fields(item, _REQUEST_FIELDS, "the request")
    keys = MemberKeys(
        fields.octets("validator_key"),
        fields.octets("transport_key"),
        fields.octets("sealing_key"),
        fields.octets("steward_key"),
    )
    return JoinRequest(
        fields.text("network"), fields.text("id"), fields.text("name"), keys, fields.octets("signature")
    )


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise ChangeError(reason)


def _check(change: MembershipChange) -> None:
    """Ranges and what has to fit together. Raises ChangeError."""
    _require(change.version == CHANGE_VERSION, f"version {change.version} is not known here")
    _require(change.kind in KINDS, f"it is of no known kind: {change.kind[:40]!r}")
    _require(len(change.chain_id) == DIGEST_BYTES, f"the chain's id has {len(change.chain_id)} bytes")
    _require(1 <= change.number <= MAX_HEIGHT, f"a change has no number {change.number}")
    _require(0 <= change.member <= MAX_NUMBER, f"a member has no number {change.member}")
    _require(0 <= change.delay_heights <= MAX_DELAY_HEIGHTS, f"delay_heights = {change.delay_heights}")
    _require(
        1 <= change.valid_until_height <= MAX_HEIGHT, f"valid_until_height = {change.valid_until_height}"
    )
    numbers = [one.number for one in change.validators]
    _require(bool(numbers) and numbers == sorted(set(numbers)) and numbers[0] >= 0, "validators out of order")
    _require(
        len({one.id for one in change.validators})
        == len({one.key for one in change.validators})
        == len(numbers),
        "a validator's id or key stands there twice",
    )
    _require(all(len(one.key) == PUBLIC_KEY_BYTES for one in change.validators), "a validator's key is none")
    for slug in (change.id, *(one.id for one in change.validators)):
        _require(not id_error(slug), id_error(slug))
    with_request = change.kind in (ADMIT, ROTATE)
    _require((change.request is not None) == with_request, f"{change.kind} with or without a join request")
    _require(change.kind != FEATURE or change.member == 0, "a feature concerns no member")
    key_bytes = 0 if change.kind in (DEMOTE, REMOVE, FEATURE) else PUBLIC_KEY_BYTES
    _require(len(change.key) == key_bytes, f"the member's key has {len(change.key)} bytes, not {key_bytes}")
    others = [one.key for one in change.validators if one.number != change.member]
    _require(change.key not in others, "the member's key is another validator's")
    if change.request is not None:
        _check_request(change, change.request)
    _require(change.needs_delay() or not change.delay_heights, "a delay where nobody has to wait")


def _check_request(change: MembershipChange, request: JoinRequest) -> None:
    keys = request.keys
    assert isinstance(keys, MemberKeys)
    _require(request.id == change.id, "the join request is of another id")
    _require(keys.validator == change.key, "the join request presents another validator key")
    problems = request_problems(request)
    _require(not problems, "; ".join(problems[:1]))
    body = request_body(request.network, request.id, request.name, keys)
    signed = len(request.signature) == SIGNATURE_BYTES and verify(
        keys.validator, request_signed_bytes(body), request.signature
    )
    _require(signed, "the join request is not signed by the key that it presents")
