"""Which role may make which call, and submit which kind of transaction. What is not listed is refused.

The role is that of the socket: gRPC does not show SO_PEERCRED, so the Unix owner, group and mode of
the socket are what tells people apart. The chain's own rules bind on top: a transaction counts by its
signature, whatever socket it came through.
"""

from typing import get_args

from chainnode.ledger.payloads import (
    AddDepartment,
    AddStudy,
    Apply,
    AttestEnrolment,
    ChangeMembership,
    Consent,
    DealClassKeys,
    EnrolPatient,
    Erase,
    EraseObjects,
    Grant,
    Payload,
    ProveEnrolment,
    PublishDiseases,
    RenewClassKey,
    RequestRelease,
    Revoke,
    Withdraw,
)
from chainnode.node.api import Role

SERVICE = "chainnode.v1.Node"
USER_KEY = "chainnode-user"
"""Metadata entry with the name that a client claims, for the log alone."""

_ALL = frozenset(Role)
_SYSADMIN = frozenset({Role.SYSADMIN})
_STEWARD = frozenset({Role.STEWARD})
_RESEARCHER = frozenset({Role.RESEARCHER})
_CLINICAL = _STEWARD | _RESEARCHER

CALLS: dict[str, frozenset[Role]] = {
    "Status": _ALL,
    "Info": _ALL,
    "Why": _ALL,
    "Evidence": _ALL,
    "EvidenceFile": _ALL,
    "Backup": _SYSADMIN,
    "Read": _ALL,
    "Block": _ALL,
    "Transaction": _ALL,
    "Object": _ALL,
    "Blocks": _ALL,
    "Events": _ALL,
    "Receipt": _ALL,
    "StateProof": _ALL,
    "Stretch": _ALL,
    "Submit": _CLINICAL,
    "Row": _CLINICAL,
    "IntakeKey": _STEWARD,
    "LinkSubject": _STEWARD,
    "ResolveSubject": _STEWARD,
    "Seen": _STEWARD,
    "PutObject": _STEWARD,
    "Anchor": _STEWARD,
    "Halves": _STEWARD,
    "Delivery": _RESEARCHER,
    "Fetch": _RESEARCHER,
}

SUBMITS: dict[Role, frozenset[type]] = {
    Role.SYSADMIN: frozenset(),
    Role.STEWARD: frozenset(
        {
            ChangeMembership,
            PublishDiseases,
            AddDepartment,
            AddStudy,
            EnrolPatient,
            AttestEnrolment,
            ProveEnrolment,
            Grant,
            Consent,
            DealClassKeys,
            RenewClassKey,
            Revoke,
            Withdraw,
            Erase,
            EraseObjects,
        }
    ),
    Role.RESEARCHER: frozenset({Apply, RequestRelease, Withdraw}),
}
"""AnchorRecords, ShareReceipt, Barrier, ReportEquivocation, ReportLeftViews and AttestErasure are signed by
the node itself, AnswerDealing by the trustee that it hosts: nobody submits them."""

OPEN_SERVICES = ("grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection")
"""Every role may ask these."""


def allowed(role: Role, path: str) -> bool:
    """Whether `role` may call `path`, such as "/chainnode.v1.Node/Submit"."""
    service, _, call = path.removeprefix("/").partition("/")
    if service == SERVICE:
        return role in CALLS.get(call, frozenset())
    return service in OPEN_SERVICES


def submits(role: Role, payload: object) -> bool:
    """Whether `role` may submit a transaction with this payload."""
    return type(payload) in SUBMITS[role]


assert all(kinds <= set(get_args(Payload)) for kinds in SUBMITS.values())
