"""Answers on a consent, audits and disclosures, in tables, sentences and JSON."""

from collections.abc import Mapping
from typing import Any

from chainnode.cli.actions.disclosures import Disclosed, History
from chainnode.cli.output import Lines, pairs, table, when
from chainnode.cli.views import use
from chainnode.ledger.answer import ConsentAnswer
from chainnode.ledger.audit import AuditEntry, AuditReport
from chainnode.ledger.subjects import HOSPITAL, PROJECT

SHOWN_IDS = 3
"""So many of the ids that a transaction names stand in its row; --json has all."""


def answer_data(answer: ConsentAnswer) -> dict[str, Any]:
    return {
        "kind": "consent-answer",
        "handle": answer.handle,
        "request": answer.request or None,
        "height": answer.header.height,
        "time_ms": answer.header.time_ms,
        "no_consent": answer.none,
        "enrolled": answer.enrolment is not None,
        "standing": answer.standing,
        "consents": answer.consents,
        "revocations": answer.revocations,
        "grant": answer.grant,
        "request_revoked_height": answer.taken_back.height,
    }


def answer_sentences(answer: ConsentAnswer) -> list[str]:
    """What is proven, a sentence each."""
    height = answer.header.height
    said = []
    if answer.enrolment is None:
        said.append("Nobody is enrolled under this handle.")
    elif not answer.enrolment.active:
        said.append("The enrolment is not complete: it is not attested, or not proven by the patient.")
    count = len(answer.standing)
    said.append(f"{count} standing consents stand." if count else "No standing consent stands.")
    said += [
        f"Consent {one.consent_id.hex()} stands since height {one.given.height}." for one in answer.standing
    ]
    said += [
        f"Consent {one.consent_id.hex()} of height {one.given.height} was revoked at {one.revoked.height}."
        for one in answer.consents
        if one.revoked.height
    ]
    if answer.revocations.all.height:
        said.append(f"Everything given before was taken back at height {answer.revocations.all.height}.")
    said += [
        f"What was given for {one.data_class} was taken back at height {one.revoked.height}."
        for one in answer.revocations.classes
    ]
    if answer.request:
        said += _request_sentences(answer)
    what = f"no consent as of height {height}" if answer.none else f"a consent stands as of height {height}"
    return [*said, f"In sum: {what}."]


def _request_sentences(answer: ConsentAnswer) -> list[str]:
    grant, name = answer.grant, answer.request.hex()
    if answer.application is None:
        return [f"There is no application {name}."]
    said = [f"The patient has not answered application {name}."]
    if grant is not None:
        some = f", for {len(grant.objects)} objects" if grant.objects else ""
        said = [f"The patient's answer to {name}: {grant.decision}, height {grant.granted.height}{some}."]
    if answer.taken_back.height:
        said.append(
            f"What was given for this application was taken back at height {answer.taken_back.height}."
        )
    return said


def answer_tables(title: str, answer: ConsentAnswer, age_words: str) -> list[Any]:
    head = pairs(
        title,
        {
            "patient": answer.handle,
            "as of height": answer.header.height,
            "block's time (UTC)": f"{when(answer.header.time_ms)}, {age_words}",
        },
    )
    return [head, *answer_sentences(answer)]


def age(then_ms: int, now_ms: int) -> str:
    """How long ago, by this machine's clock, in words."""
    minutes = abs(now_ms - then_ms) // 60_000
    span = f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
    span = span if minutes < 2_880 else f"{minutes // 1_440} days"
    return f"{span} {'ahead of' if now_ms < then_ms else 'ago by'} this machine's clock"


def entry_data(one: AuditEntry) -> dict[str, Any]:
    return {
        "height": one.height,
        "time_ms": one.time_ms,
        "transaction": one.transaction_id,
        "payload_kind": one.kind,
        "result": one.code or "ok",
        "outcome": one.outcome or None,
        "rule": one.rule or None,
        "signer": one.signer,
        "handles": one.names.handles,
        "objects": one.names.objects,
        "requests": one.names.requests,
        "members": one.names.members,
    }


def audit_data(report: AuditReport) -> dict[str, Any]:
    return {
        "kind": "audit",
        "subject": {"kind": report.kind, "id": report.id},
        "first_height": report.first.height,
        "last_height": report.last.height,
        "first_parent": report.first.parent,
        "last_hash": report.last.hash(),
        "last_time_ms": report.last.time_ms,
        "transactions": report.transactions,
        "from_the_first_block": report.complete,
        "unproven_ties": report.known,
        "entries": [entry_data(one) for one in report.entries],
    }


def audit_tables(title: str, report: AuditReport, names: Mapping[int, str]) -> list[Any]:
    """`names`: the members' slugs by number, as far as they are known."""
    rows = [
        (
            one.height,
            when(one.time_ms),
            one.kind,
            " ".join(filter(None, (one.outcome, one.rule))) or one.code or "done",
            _named(one, names),
        )
        for one in report.entries
    ]
    columns = ("height", "time (UTC)", "transaction", "result", "names")
    first, last = report.first.height, report.last.height
    ties = (
        ""
        if report.complete
        else (f" What ties older applications and objects to it ({report.known}) is the maker's word.")
    )
    gapless = (
        f"Gap-free from height {first} to {last}: {report.transactions} transactions, "
        f"{len(report.entries)} of them concern {report.kind} {_subject(report, names)}.{ties}"
    )
    return [table(title, columns, rows), gapless]


def _subject(report: AuditReport, names: Mapping[int, str]) -> str:
    number, slash, rest = report.id.partition("/")
    if report.kind == HOSPITAL or (report.kind == PROJECT and slash):
        return _name(int(number), names) + slash + rest
    return report.id


def _named(one: AuditEntry, names: Mapping[int, str]) -> Lines | None:
    said = [_name(number, names) for number in dict.fromkeys(one.names.members)]
    for what, ids in (
        ("application", one.names.requests),
        ("patient", one.names.handles),
        ("object", one.names.objects),
    ):
        distinct = list(dict.fromkeys(ids))
        said += [f"{what} {id_.hex()}" for id_ in distinct[:SHOWN_IDS]]
        if len(distinct) > SHOWN_IDS:
            said.append(f"and {len(distinct) - SHOWN_IDS} more {what}s")
    return Lines(said) or None


def history_data(history: History, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "handles": {_name(number, names): handle for number, handle in history.handles.items()},
        "up_to_height": history.up_to_height,
        "complete": history.complete,
        "disclosed": [
            {
                "request": one.request_id,
                "height": one.height,
                "time_ms": one.time_ms,
                "from": _name(one.provider, names),
                "to": _name(one.requester, names),
                "department": one.department,
                "project": one.project,
                "purpose": use(one.purpose),
                "for_profit": one.purpose.for_profit,
                "handle": one.handle,
                "objects": one.objects,
                "classes": dict(one.classes),
                "live": one.live,
                "standing": len(one.objects) - one.live,
                "delivered_height": one.delivered_height or None,
            }
            for one in history.disclosed
        ],
        "unproven": [
            {"request": one.request_id, "height": one.height, "rule": one.rule} for one in history.unproven
        ],
    }


def history_sentences(history: History, names: Mapping[int, str]) -> list[str]:
    """For the patient to read."""
    if not history.handles:
        return ["No hospital of this network has enrolled this wallet."]
    known = ", ".join(_name(number, names) for number in history.handles)
    said = [f"Hospitals that know this wallet: {known}. All up to height {history.up_to_height}:"]
    said += [_told(one, names) for one in history.disclosed]
    said += [
        f"Height {one.height}: application {one.request_id.hex()} was authorised, for you or for others in "
        f"it; its receipt proves it no longer ({one.rule}): what it rested on may have been erased since."
        for one in history.unproven
    ]
    if not history.disclosed and not history.unproven:
        said.append("Nothing was released to anybody.")
    if not history.complete:
        said.append("This node keeps no older blocks: of each application its latest release alone is told.")
    return said


def _told(one: Disclosed, names: Mapping[int, str]) -> str:
    classes = ", ".join(f"{data_class} ({count})" for data_class, count in one.classes)
    consent = "your yes to this application" if one.live else "your standing consent"
    if 0 < one.live < len(one.objects):
        consent = f"your yes to this application ({one.live}) and your standing consent"
    sent = f"sent at height {one.delivered_height}" if one.delivered_height else "no sending is on record"
    profit = "for profit" if one.purpose.for_profit else "not for profit"
    return (
        f"{when(one.time_ms)} UTC, height {one.height}: {_name(one.provider, names)} was free to give "
        f"{classes} to {_name(one.requester, names)}, {one.department}, for project {one.project} "
        f"({use(one.purpose)}, {profit}; application {one.request_id.hex()}), by {consent}; {sent}."
    )


def _name(number: int, names: Mapping[int, str]) -> str:
    return names.get(number, f"member {number}")
