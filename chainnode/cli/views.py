"""Tables and JSON for things that more than one command shows."""

from collections import Counter
from typing import Any

from chainnode.cli.actions.lookups import Found, FoundBlock, FoundObject, FoundTransaction
from chainnode.cli.actions.requests import ID_DIGITS, RequestView
from chainnode.cli.output import Lines, pairs, table, when
from chainnode.intake.table import CohortTable
from chainnode.ledger.payloads import Purpose, UsePolicy
from chainnode.ledger.records import BASIS_LIVE, BASIS_STANDING, ReleaseRecord
from chainnode.ledger.rules import RULES
from chainnode.node.api import SubmitResult

LONG_BYTES = 64
BASES = {
    BASIS_LIVE: "The patient signed this application.",
    BASIS_STANDING: "A standing consent of the patient covers it.",
}


def submitted(result: SubmitResult, **more: Any) -> dict[str, Any]:
    """JSON of a certified transaction and what came of it."""
    return {**more, "transaction": result.transaction_id, "height": result.height}


def done(what: str, result: SubmitResult) -> str:
    """The same in a line."""
    return f"{what}: certified at height {result.height}, transaction {result.transaction_id.hex()}"


def use(policy: UsePolicy | Purpose) -> str:
    """`HMB NPU` or `DS(MONDO:0005148)`."""
    disease = f"({policy.disease})" if policy.disease else ""
    return " ".join([policy.permission + disease, *policy.modifiers])


def request_data(view: RequestView) -> dict[str, Any]:
    """JSON of an application."""
    return {
        "request": view.request_id,
        "state": view.state,
        "revoked_since": view.since.objects,
        "denied_since": view.since.hospital,
        "member": view.member,
        "title": view.title,
        "plan": view.plan,
        "record": view.record,
        "grants": [{"role": one.role, "who": one.who, "record": one.record} for one in view.grants],
        "release": view.release,
        "as_of_height": view.stamp.height,
    }


def short(request_id: bytes) -> str:
    """The first digits of an application's id, enough to name it on the command line."""
    return request_id.hex()[:ID_DIGITS]


def requests_table(views: list[RequestView]) -> Any:
    """One row for each application, so narrow that it stands in 80 columns."""
    rows = [
        (
            short(view.request_id),
            Lines(
                (
                    view.title,
                    f"{view.member}: {use(view.record.purpose)}, {len(view.record.objects)} objects",
                    f"until {when(view.record.expires_ms)} UTC",
                )
            ),
            _signed(view),
            view.story,
        )
        for view in views
    ]
    columns = ("request", "application", "signed", "state")
    caption = f"An application is named by the first {ID_DIGITS} digits of its id or more."
    built = table("Applications", columns, rows, caption=caption if rows else "")
    built.show_lines = True
    return built


def _signed(view: RequestView) -> Lines | None:
    """`head permit` and `patient permit (5)`, a line each."""
    counts = Counter(f"{one.role} {one.record.decision}" for one in view.grants)
    return Lines(what if count == 1 else f"{what} ({count})" for what, count in counts.items()) or None


def request_tables(view: RequestView) -> list[Any]:
    """One application in full."""
    record = view.record
    head = pairs(
        f"Application {view.request_id.hex()}",
        {
            "title": view.title,
            "plan": view.plan or None,
            "member/department": f"{view.member}/{record.department}",
            "project": record.project,
            "purpose": use(record.purpose),
            "objects": len(record.objects),
            "expires (UTC)": when(record.expires_ms),
            "applied at height": record.applied.height,
            "state": view.story,
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
        key = (
            verdict.rule or f"authorised ({verdict.basis})",
            RULES.get(verdict.rule) or BASES.get(verdict.basis, ""),
        )
        counts[key] = counts.get(key, 0) + 1
    rows = [(rule, count, sentence) for (rule, sentence), count in sorted(counts.items())]
    title = f"Decision at height {release.height}: {release.outcome} {release.rule}".strip()
    return table(title, ("verdict", "objects", "meaning"), rows)


def hidden_counts(few: int) -> str:
    """What "<5", "12+" and "0+" mean."""
    return (
        f"<{few}: 1 to {few - 1} patients, hidden. "
        "N+: N in the cells that are shown, and those that are hidden; 0+: all are in hidden cells."
    )


def cohort_counts(cohort: CohortTable) -> Any:
    """Patients by condition and age band; a caption says how small counts are hidden."""
    few = cohort.smallest_cell
    caption = f"{hidden_counts(few)} --smallest-cell says how few are hidden."
    return table(
        f"Patients by condition and age at its onset (years): {cohort.patients}, not de-duplicated",
        ("condition", *cohort.bands, "patients"),
        [(row.name, *row.cells, row.total) for row in cohort.rows],
        caption=caption if cohort.hidden_cells or cohort.patients.startswith("<") else "",
    )


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
    return {
        "kind": "object",
        "pointer": found.pointer,
        "batch": found.batch,
        "held": found.held,
        "erasure": found.erased or None,
    }


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
        # As lines, since a terminal lets a line that it wraps be copied whole, and a table does not.
        listed = [f"{id_.hex()}  {kind}  {code}" for id_, kind, code in found.view.transactions]
        return [head, "Transactions (id, kind, result)", *listed]
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
            "member/department/study": f"{found.member}/{batch.department}/{batch.study}",
            "use policy": use(batch.policy),
            "anchored at height": batch.anchored.height,
            "ciphertext on this node": "yes" if found.held else "no",
            "erased": f"yes, by erasure {found.erased}" if found.erased else "no",
        },
    )
