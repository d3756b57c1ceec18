"""What a payload names is found by the names of its fields: every kind of transaction is looked at here."""

from typing import Any, get_args

from msgspec import Struct
from msgspec.inspect import StructType, VarTupleType, type_info

from chainnode.ledger.payloads import Payload, Revoke, Withdraw
from chainnode.ledger.subjects import (
    HANDLE_FIELDS,
    MEMBER_FIELDS,
    OBJECT_FIELDS,
    REQUEST_FIELDS,
    named,
)
from tests.ledger.world import id16

NAMES_NOBODY = {
    "department", "head_key", "study", "sealing_key", "patient_key", "class_keys", "link_row", "policy",
    "pointers", "sealed_key", "report_digest", "project", "project_key", "project_sealing_key", "purpose",
    "expires_ms", "text_row", "possession", "role", "decision", "parts_digest", "consent_id", "provision_row",
    "scope", "release_height", "key", "first", "second", "permission", "modifiers", "disease", "for_profit",
    "data_class", "epoch", "point", "level", "root", "length_bytes", "commitment_hospital",
    "commitment_patient", "commitment_dek", "locator", "number", "view", "sequence", "digest", "votes",
    "replica", "signature", "keys", "commitments", "shares_digest", "trustee", "answer",
}  # fmt: skip
READ_APART = {"target", "document"}
"""A revocation's target and a change of members: `named` looks at them by the kind of payload."""
FOLLOWED = {*HANDLE_FIELDS, *OBJECT_FIELDS, *REQUEST_FIELDS, *MEMBER_FIELDS}


def fields(kind: Any) -> dict[str, Any]:
    """All fields of a struct and of the structs within it."""
    found: dict[str, Any] = {}
    waiting = [type_info(kind)]
    for one in waiting:
        if isinstance(one, VarTupleType):
            waiting.append(one.item_type)
        elif isinstance(one, StructType):
            found |= {field.name: field.type for field in one.fields}
            waiting += [field.type for field in one.fields]
    return found


def test_every_field_of_every_payload_is_followed_or_known_to_name_nobody() -> None:
    """A field that is new here either has one of the followed names, or belongs into NAMES_NOBODY."""
    for kind in get_args(Payload):
        assert issubclass(kind, Struct)
        unknown = set(fields(kind)) - FOLLOWED - NAMES_NOBODY - READ_APART
        assert not unknown, (
            f"{kind.__name__}: does {sorted(unknown)} name a patient, object, request, member?"
        )


def test_a_revocation_of_an_application_names_it() -> None:
    assert named(Revoke(id16("h"), "request", id16("r"))).requests == [id16("r")]
    assert named(Revoke(id16("h"), "consent", id16("r"))).requests == []


def test_a_member_of_nought_that_means_nobody_is_not_named() -> None:
    assert named(Withdraw(id16("r"), "project", 0, "")).members == []
    assert named(Withdraw(id16("r"), "steward", 0, "")).members == [0]
