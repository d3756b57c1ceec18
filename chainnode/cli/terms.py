"""The terms of a standing consent on a command line: named one by one, or as a FHIR Consent."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from chainnode.cli.actions import duo
from chainnode.cli.actions.base import member_number
from chainnode.cli.actions.fhir_consent import MAX_CONSENT_BYTES, parse_consent
from chainnode.cli.actions.files import read_limited
from chainnode.cli.errors import usage
from chainnode.cli.options import data_classes, known_terms, moment_ms, split_list
from chainnode.ledger.documents import AnyConsent, ConsentDocument, Provision
from chainnode.ledger.payloads import DATA_CLASSES, DENY, PERMISSIONS, PERMIT
from chainnode.ledger.rows import SCOPE_RESEARCH, STATUS_ACTIVE
from chainnode.node.api import ChainInfo

FhirOption = Annotated[
    Path | None,
    typer.Option("--fhir", help="The terms as a FHIR R4 or R5 Consent (JSON).", show_default=False),
]
DenyOption = Annotated[bool, typer.Option("--deny", help="The terms say no instead of yes.")]
PurposesOption = Annotated[
    list[str] | None, typer.Option("--purpose", help="DUO permissions: " + ", ".join(PERMISSIONS))
]
ClassesOption = Annotated[
    list[str] | None, typer.Option("--class", help="Data classes: " + ", ".join(DATA_CLASSES))
]
ActorsOption = Annotated[list[str] | None, typer.Option("--actor", help="Members that may ask.")]
StartOption = Annotated[str, typer.Option("--from", help="Not before: 2027-01-31, or a time.")]
EndOption = Annotated[str, typer.Option("--until", help="Not after: 365d, 2027-12-31, or a time.")]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the options said, checked as far as it can be without a node. `source`: a FHIR Consent."""

    source: bytes
    deny: bool
    actors: tuple[str, ...]
    purposes: tuple[str, ...]
    classes: tuple[str, ...]
    start_ms: int
    end_ms: int

    def document(self, info: ChainInfo) -> AnyConsent:
        """Raises NotFound for a member that is none, OperatorError CLI-02 for a unfit FHIR Consent."""
        if self.source:
            return parse_consent(self.source, info)
        actors = tuple(member_number(info, slug) for slug in self.actors)
        decision = DENY if self.deny else PERMIT
        provision = Provision(decision, actors, self.purposes, self.classes, self.start_ms, self.end_ms)
        return ConsentDocument(STATUS_ACTIVE, SCOPE_RESEARCH, int(time.time() * 1_000), provision)


def read_terms(
    fhir: Path | None,
    deny: bool,
    purpose: list[str] | None,
    class_: list[str] | None,
    actor: list[str] | None,
    start: str,
    end: str,
) -> Terms:
    """Raises OperatorError CLI-01, CLI-02."""
    if fhir is not None and any((deny, purpose, class_, actor, start, end)):
        raise usage("--fhir stands alone: the document holds the terms", "leave the other terms out")
    return Terms(
        read_limited(fhir, MAX_CONSENT_BYTES, "the consent") if fhir is not None else b"",
        deny,
        split_list(actor),
        known_terms(duo.named(split_list(purpose)), PERMISSIONS, "permission of the Data Use Ontology"),
        data_classes(class_),
        moment_ms(start) if start else 0,
        moment_ms(end, end=True) if end else 0,
    )
