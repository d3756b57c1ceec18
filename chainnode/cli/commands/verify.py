"""`chainnode verify`: offline."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from chainnode.cli.actions.verify import VerifiedFile, require_young, verify_file
from chainnode.cli.actions.visas import Visa
from chainnode.cli.auditviews import age, answer_data, answer_tables, audit_data, audit_tables
from chainnode.cli.errors import usage
from chainnode.cli.options import JsonOption
from chainnode.cli.output import pairs, show, table, when
from chainnode.cli.views import verdicts_table
from chainnode.ledger.answer import ConsentAnswer
from chainnode.ledger.audit import AuditReport
from chainnode.ledger.evidencefile import Conviction
from chainnode.ledger.rules import RULES
from chainnode.ledger.verification import Report
from chainnode.node.clock import now
from genesis.ceremony import summary
from genesis.document import GenesisFile

app = typer.Typer(add_completion=False)


@app.command()
def verify(
    file: Annotated[
        Path, typer.Argument(help="A genesis file, receipt, answer, audit, evidence, or a node's statement.")
    ],
    genesis: Annotated[
        Path | None,
        typer.Option("--genesis", help="The genesis file to check the others against.", show_default=False),
    ] = None,
    max_age: Annotated[
        str,
        typer.Option(
            "--max-age",
            metavar="AGE",
            help="How old (45m, 12h, 30d) the block may be that it rests on, by this machine's clock.",
            show_default=False,
        ),
    ] = "",
    json: JsonOption = False,
) -> None:
    """Check a file with no node and no network. Exit code 8: it does not prove what it says."""
    bound_ms = _span_ms(max_age) if max_age else None
    verified = verify_file(file, genesis)
    if bound_ms is not None:
        require_young(verified, bound_ms, now().wall_ms)
    data, shown = _outcome(verified)
    show({"file": file, "verified": True, **data}, *shown, json=json)


def _span_ms(text: str) -> int:
    """Raises OperatorError CLI-01."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if found is None:
        raise usage(f"{text!r} is no age", "write it as 90s, 45m, 12h or 30d")
    return int(found[1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[found[2]] * 1_000


def _outcome(verified: VerifiedFile) -> tuple[dict[str, Any], list[Any]]:
    content, name = verified.content, verified.path.name
    data: dict[str, Any]
    if isinstance(content, GenesisFile):
        data = {"kind": "genesis", "chain_id": content.genesis.chain_id, "signed": sorted(content.signatures)}
        return data, [*summary(content.genesis), f"{name}: signed by every member"]
    if isinstance(content, Report):
        checks = [(check.title, check.detail) for check in content.checks]
        data = {
            "kind": "receipt",
            "outcome": content.release.outcome,
            "rule": content.release.rule,
            "request": content.release.request_id,
            "height": content.header.height,
            "checks": [{"title": title, "detail": detail} for title, detail in checks],
        }
        return data, [table(f"{name} proves", ("check", "found"), checks), verdicts_table(content.release)]
    if isinstance(content, ConsentAnswer):
        old = age(content.header.time_ms, now().wall_ms)
        return answer_data(content), answer_tables(f"{name} proves", content, old)
    if isinstance(content, AuditReport):
        return audit_data(content), audit_tables(f"{name} proves", content, verified.names)
    if isinstance(content, Conviction):
        found = content.found
        data = {"kind": "evidence", "member": content.member.id, "equivocation": asdict(found)}
        convicted = {
            "member": f"{content.member.id} ({content.member.name})",
            "said two things of": f"{found.kind} {found.slot} (epoch {found.epoch}, view {found.view})",
            "one": found.first,
            "the other": found.second,
            "signed both": content.member.validator_key,
        }
        return data, [pairs(f"{name} proves an equivocation", convicted)]
    if isinstance(content, Visa):
        return {"kind": "visa", "claims": content}, [pairs(f"{name}: the hospital's word", _visa(content))]
    data = {"kind": "statement", "refusal": content}
    fields = {
        "member": content.member,
        "transaction": content.transaction_id,
        "rule": content.rule,
        "meaning": RULES[content.rule],
        "height": content.height,
    }
    return data, [pairs(f"{name}: this node's own statement, not the chain's", fields)]


def _visa(visa: Visa) -> dict[str, Any]:
    said = visa.chainnode_v1
    return {
        "issuer": visa.iss,
        "project": visa.sub,
        "type": visa.ga4gh_visa_v1.type,
        "application": said.request,
        "decided at height": said.height,
        "objects": said.objects,
        "purpose": ", ".join(said.duo),
        "authorised (UTC)": when(visa.ga4gh_visa_v1.asserted * 1_000),
        "until (UTC)": when(visa.exp * 1_000),
    }
