"""Whom and what a transaction concerns: the one place that says which patients, objects, applications and
members a payload names, and what follows from it for an audit.

A payload is read by the names of its fields, so a new kind of transaction is followed as soon as it exists.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from chainnode.ledger.fields import MAX_SLUG_CHARS, ROLE_PROJECT, SCOPE_REQUEST
from chainnode.ledger.payloads import (
    ROLE_PATIENT,
    AnchorRecords,
    Apply,
    ChangeMembership,
    EnrolPatient,
    Payload,
    Revoke,
)
from chainnode.ledger.transaction import ID_BYTES
from genesis.membership import ChangeError, parse_change

PATIENT, OBJECT, PROJECT, HOSPITAL = "patient", "object", "project", "hospital"
KINDS = (PATIENT, OBJECT, PROJECT, HOSPITAL)
MAX_ID_CHARS = 2 * MAX_SLUG_CHARS + 8
MAX_MEMBER_DIGITS = 4

HANDLE_FIELDS = ("handle", "handles")
OBJECT_FIELDS = ("object_id", "object_ids", "objects")
REQUEST_FIELDS = ("request_id", "request_ids")
MEMBER_FIELDS = ("member", "members", "peer", "provider", "requester")


class SubjectError(ValueError):
    """What is to be followed is not named in the one allowed form."""


@dataclass(slots=True)
class Named:
    """Ids and members' numbers in the order in which a payload has them."""

    handles: list[bytes] = field(default_factory=list)
    objects: list[bytes] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    members: list[int] = field(default_factory=list)


def named(payload: Payload) -> Named:
    """All that a payload names."""
    found = Named()
    for name, value in _fields(payload):
        ids = [one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, bytes)]
        if name in HANDLE_FIELDS:
            found.handles += filter(None, ids)
        elif name in OBJECT_FIELDS:
            found.objects += ids
        elif name in REQUEST_FIELDS:
            found.requests += ids
        elif name in MEMBER_FIELDS:
            found.members += value if isinstance(value, tuple) else (value,)
    if isinstance(payload, Revoke) and payload.scope == SCOPE_REQUEST:
        found.requests.append(payload.target)
    if isinstance(payload, ChangeMembership):
        found.members += _changed(payload.document)
    if getattr(payload, "role", "") in (ROLE_PATIENT, ROLE_PROJECT):
        found.members = []  # the member in it is 0 and means nobody
    return found


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    """Every field of a payload and of what stands within it."""
    for name in value.__struct_fields__:
        held = getattr(value, name)
        yield name, held
        for inner in held if isinstance(held, tuple) else (held,):
            if isinstance(inner, Struct):
                yield from _fields(inner)


def _changed(document: bytes) -> list[int]:
    """The member that a change of members is about, none where the document is no such change."""
    try:
        return [parse_change(document).change.member]
    except ChangeError:
        return []


@dataclass(slots=True)
class Trail:
    """Follows one patient, object, project or hospital through transactions in the chain's order: each is
    asked about once, with whether it was executed, and what it ties to the subject is followed from there on.

    `id`: in hex a handle, an object or an application; "NUMBER/DEPARTMENT/PROJECT" for all applications of a
    project; a member's number."""

    kind: str
    id: str
    handles: dict[bytes, None] = field(default_factory=dict)
    objects: dict[bytes, None] = field(default_factory=dict)
    requests: dict[bytes, None] = field(default_factory=dict)
    own: dict[bytes, None] = field(default_factory=dict)
    """Applications that are the subject's own: whatever names one of them concerns it."""
    member: int | None = None
    project: tuple[int, str, str] | None = None

    def __post_init__(self) -> None:
        """Raises SubjectError."""
        if self.kind not in KINDS or len(self.id) > MAX_ID_CHARS:
            raise SubjectError(f"{self.kind[:20]!r} is none of {', '.join(KINDS)}")
        if self.kind == HOSPITAL:
            self.member = _number(self.id)
        elif self.kind == PROJECT and "/" in self.id:
            number, _, names = self.id.partition("/")
            department, _, project = names.partition("/")
            self.project = (_number(number), department, project)
        else:
            into = {PATIENT: self.handles, OBJECT: self.objects, PROJECT: self.own}[self.kind]
            into[_id(self.id)] = None

    def concerns(self, payload: Payload, *, executed: bool) -> bool:
        """Whether a transaction concerns the subject; one that was refused ties nothing to it."""
        said = named(payload)
        found = self._concerned(payload, said)
        if found and executed:
            self._tie(payload, said)
        return found

    def _concerned(self, payload: Payload, said: Named) -> bool:
        if self.member is not None and self.member in said.members:
            return True
        if any(one in self.own for one in said.requests):
            return True
        if isinstance(payload, Apply) and self._is_own(payload):
            return True
        if any(one in self.handles for one in said.handles) or any(
            one in self.objects for one in said.objects
        ):
            return True
        # What names other patients or objects speaks of those; what names an application alone, of all of it.
        if (
            said.objects
            or (said.handles and self.kind != OBJECT)
            or (self.member is not None and said.members)
        ):
            return False
        return any(one in self.requests for one in said.requests)

    def _is_own(self, said: Apply) -> bool:
        return self.project == (said.member, said.department, said.project) or self.member == said.member

    def _tie(self, payload: Payload, said: Named) -> None:
        match payload:
            case Apply():
                into = self.own if self._is_own(payload) else self.requests
                into[payload.request_id] = None
            case EnrolPatient() if self.kind == HOSPITAL:
                self.handles[payload.handle] = None
            case AnchorRecords() if self.kind == HOSPITAL:
                self.objects.update(dict.fromkeys(said.objects))
            case AnchorRecords() if self.kind == PATIENT:
                mine = (one.object_id for one in payload.pointers if one.handle in self.handles)
                self.objects.update(dict.fromkeys(mine))

    def known(self) -> list[tuple[str, bytes]]:
        """What is tied to the subject by now, as [kind, id] (see `learn`)."""
        tied = (
            (PATIENT, self.handles),
            (OBJECT, self.objects),
            ("request", self.requests),
            ("own", self.own),
        )
        return [(kind, one) for kind, ids in tied for one in ids if one.hex() != self.id]

    def learn(self, kind: str, id_: bytes) -> None:
        """Take over a tie from before. Raises SubjectError."""
        into = {PATIENT: self.handles, OBJECT: self.objects, "request": self.requests, "own": self.own}.get(
            kind
        )
        if into is None or len(id_) != ID_BYTES:
            raise SubjectError("a tie is not [kind, id]")
        into[id_] = None


def _number(text: str) -> int:
    if not (
        text.isascii() and text.isdecimal() and len(text) <= MAX_MEMBER_DIGITS and str(int(text)) == text
    ):
        raise SubjectError(f"{text[:20]!r} is no member's number")
    return int(text)


def _id(text: str) -> bytes:
    if len(text) != 2 * ID_BYTES or any(one not in "0123456789abcdef" for one in text):
        raise SubjectError(f"{text[:40]!r} is no id")
    return bytes.fromhex(text)
