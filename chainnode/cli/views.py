"""Tables and JSON for things that more than one command shows."""

from collections import Counter
from typing import Any

from chainnode.cli.actions.lookups import Found, FoundBlock, FoundObject, FoundTransaction
from chainnode.cli.actions.requests import RequestView
from chainnode.cli.output import pairs, short, table, when
from chainnode.ledger.payloads import Purpose, UsePolicy
from chainnode.ledger.records import ReleaseRecord
from chainnode.ledger.rules import RULES
from chainnode.node.api import SubmitResult

LONG_BYTES = 64


def submitted(result: SubmitResult, **more: Any) -> dict[str, Any]:
    """JSON of a certified transaction and what came of it."""
    return {**more, "transaction": result.transaction_id, "height": result.height}


def done(what: str, result: SubmitResult) -> str:
    """The same in a line."""
    return f"{what}: certified at height {result.height}, transaction {short(result.transaction_id)}"


def use(policy: UsePolicy | Purpose) -> str:
    """`HMB NPU` or `DS(MONDO:0005148)`."""
    disease = f"({policy.disease})" if policy.disease else ""
    return " ".join([policy.permission + disease, *policy.modifiers])


def request_data(view: RequestView) -> dict[str, Any]:
    """JSON of an application."""
    return {
        "request": view.request_id,
        "state": view.state,
        "title": view.title,
        "plan": view.plan,
        "record": view.record,
        "grants": [{"role": one.role, "who": one.who, "record": one.record} for one in view.grants],
        "release": view.release,
        "as_of_height": view.stamp.height,
    }


def requests_table(views: list[RequestView]) -> Any:
    rows = [
        (
            short(view.request_id),
            view.title,
            view.record.member,
            use(view.record.purpose),
            len(view.record.objects),
            when(view.record.expires_ms),
            _signed(view),
            view.state,
        )
        for view in views
    ]
    columns = ("request", "title", "member", "purpose", "objects", "expires (UTC)", "signed", "state")
    return table("Applications", columns, rows)


def _signed(view: RequestView) -> str | None:
    """`head permit, patient permit (5)`."""
    counts = Counter(f"{one.role} {one.record.decision}" for one in view.grants)
    return ", ".join(what if count == 1 else f"{what} ({count})" for what, count in counts.items()) or None


def request_tables(view: RequestView) -> list[Any]:
    """One application in full."""
    record = view.record
    head = pairs(
        f"Application {view.request_id.hex()}",
        {
            "title": view.title,
            "plan": view.plan or None,
            "member/department": f"{record.member}/{record.department}",
            "project": record.project,
            "purpose": use(record.purpose),
            "objects": len(record.objects),
            "expires (UTC)": when(record.expires_ms),
            "applied at height": record.applied.height,
            "state": view.state,
        },
    )
    grants = [
        (one.role, one.who, one.record.decision, one.record.granted.height, len(one.record.objects) or "all")
        for one in view.grants
    ]
    shown = [
        head,
        table("Decisions of the signers", ("role", "who", "decision", "height", "objects"), grants),
    ]
    if view.release is not None:
        shown.append(verdicts_table(view.release))
    return shown


def verdicts_table(release: ReleaseRecord) -> Any:
    """How many objects were authorised, and how many refused by each rule."""
    counts: dict[tuple[str, str], int] = {}
    for verdict in release.verdicts:
        key = (verdict.rule or f"authorised ({verdict.basis})", RULES.get(verdict.rule, ""))
        counts[key] = counts.get(key, 0) + 1
    rows = [(rule, count, sentence) for (rule, sentence), count in sorted(counts.items())]
    title = f"Decision at height {release.height}: {release.outcome} {release.rule}".strip()
    return table(title, ("verdict", "objects", "meaning"), rows)


def found_data(found: Found) -> dict[str, Any]:
    """JSON of whatever an id named."""
    if isinstance(found, RequestView):
        return {"kind": "request", **request_data(found)}
    if isinstance(found, FoundBlock):
        return {
            "kind": "block",
            "height": found.view.height,
            "hash": found.view.header_hash,
            "header": found.header,
            "certificate": found.view.certificate,
            "transactions": [
                {"id": id_, "kind": kind, "code": code} for id_, kind, code in found.view.transactions
            ],
        }
    if isinstance(found, FoundTransaction):
        return {
            "kind": "transaction",
            "id": found.id,
            "height": found.height,
            "code": found.code,
            "payload_kind": found.kind,
            "body": found.body,
        }
    return {"kind": "object", "pointer": found.pointer, "batch": found.batch, "held": found.held}


def found_tables(found: Found) -> list[Any]:
    """Whatever an id named, for people."""
    if isinstance(found, RequestView):
        return request_tables(found)
    if isinstance(found, FoundBlock):
        header = found.header
        head = pairs(
            f"Block {found.view.height}",
            {
                "hash": found.view.header_hash,
                "parent": header.parent,
                "time (UTC)": when(header.time_ms),
                "state root": header.state_root,
                "certificate (bytes)": len(found.view.certificate),
            },
        )
        return [head, table("Transactions", ("id", "kind", "result"), found.view.transactions)]
    if isinstance(found, FoundTransaction):
        fields = {
            "kind": found.kind,
            "height": found.height,
            "result": found.code,
            "signer": found.body.signer,
            "valid until height": found.body.valid_until_height,
        }
        payload = found.body.payload
        named = {name: _field(getattr(payload, name)) for name in payload.__struct_fields__}
        return [pairs(f"Transaction {found.id.hex()}", {**fields, **named})]
    return [_object(found)]


def _field(value: Any) -> Any:
    """A field of a payload in a line: long bytes are cut, lists are counted."""
    if isinstance(value, bytes) and len(value) > LONG_BYTES:
        return f"{value[:8].hex()}... ({len(value)} bytes)"
    if isinstance(value, tuple):
        return f"{len(value)} entries"
    if isinstance(value, UsePolicy | Purpose):
        return use(value)
    return value if value != b"" else None


def _object(found: FoundObject) -> Any:
    pointer, batch = found.pointer, found.batch
    return pairs(
        f"Object {pointer.object_id.hex()}",
        {
            "patient's handle": pointer.handle,
            "data class, level": f"{pointer.data_class}, {pointer.level}",
            "length (bytes)": pointer.length_bytes,
            "root": pointer.root,
            "member/department/study": f"{batch.member}/{batch.department}/{batch.study}",
            "use policy": use(batch.policy),
            "anchored at height": batch.anchored.height,
            "ciphertext on this node": "yes" if found.held else "no",
        },
    )
