"""Decision tables: consents as IHE's Privacy Consent on FHIR and Germany's broad consent (MII) shape them,
written from the standards. Each row: its case, the rule that it shows, what the patient said, what is asked,
the verdict.

PCF's basic consent permits or denies as a whole; its intermediate one by actor, purpose, time; its advanced
one by data: class, code, period, security label. MII's begins with a no and permits inside, each permission
for its time.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest

from chainnode.ledger.documents import ConsentDocument2, Provision2
from chainnode.ledger.evaluate import Decision, PatientFacts, StandingConsent, evaluate_object
from chainnode.ledger.payloads import MODIFIERS, Purpose, UsePolicy
from chainnode.ledger.provisions import Application, Question
from chainnode.ledger.rules import VERDICT_RULES

YEAR = 1_000
NOW = 30 * YEAR
TREE = {
    "cancer": (),
    "lung cancer": ("cancer",),
    "NSCLC": ("lung cancer",),
    "diabetes": (),
    "LADA": ("diabetes",),
}
HEALTH, OPEN = Purpose("HMB"), UsePolicy("NRES")
GLUCOSE = ("http://loinc.org|2345-7",)
HIV = ("http://snomed.info/sct|86406008",)


def yes(*children: Provision2, **terms: Any) -> Provision2:
    return Provision2("permit", provisions=children, **terms)


def no(*children: Provision2, **terms: Any) -> Provision2:
    return Provision2("deny", provisions=children, **terms)


def given(provision: Provision2, height: int = 5, *, revoked: bool = False, **words: str) -> StandingConsent:
    document = ConsentDocument2(words.get("status", "active"), words.get("scope", "research"), 0, provision)
    return StandingConsent(document, height, revoked)


@dataclass(frozen=True)
class Asked:
    """An application of member 3 for data of one class, decided at NOW, unless it says otherwise."""

    purpose: Purpose = HEALTH
    member: int = 3
    data_class: str = "conditions"
    level: int = 3
    now: int = NOW
    policy: UsePolicy = OPEN
    grant: Decision | None = None
    revoked: int = 0
    head: Decision | None = field(default_factory=lambda: Decision("permit", 9))


ANY = Asked()
GENERAL, ANCESTRY, FREE = Purpose("GRU"), Purpose("POA"), Purpose("NRES")


def of(disease: str) -> Purpose:
    return Purpose("DS", disease)


NAMED = Decision("permit", 9, named=True)
FREE_TO_GO, DENIED, UNSIGNED = "standing", "patient-denied", "patient-not-signed"
UNSEEN, REVOKED, PURPOSE = "content-not-decided", "revoked", "purpose-not-permitted"

Row = tuple[str, str, list[Provision2 | StandingConsent], Asked, str]

PCF_BASIC: list[Row] = [
    ("opt-in", "the root's type holds", [yes()], ANY, FREE_TO_GO),
    ("opt-out", "the root's type holds", [no()], ANY, DENIED),
    ("no consent on file", "silence is no yes", [], ANY, UNSIGNED),
    ("both on file", "deny wins ties", [yes(), no()], ANY, DENIED),
    ("draft", "only an active consent speaks", [given(yes(), status="draft")], ANY, UNSIGNED),
    ("proposed", "only an active consent speaks", [given(yes(), status="proposed")], ANY, UNSIGNED),
    ("rejected", "only an active consent speaks", [given(yes(), status="rejected")], ANY, UNSIGNED),
    (
        "inactive no",
        "only an active consent speaks",
        [given(no(), status="inactive"), yes()],
        ANY,
        FREE_TO_GO,
    ),
    (
        "entered in error",
        "only an active consent speaks",
        [given(yes(), status="entered-in-error")],
        ANY,
        UNSIGNED,
    ),
    ("treatment", "scope binds", [given(yes(), scope="treatment")], ANY, UNSIGNED),
    ("advance directive", "scope binds", [given(yes(), scope="adr")], ANY, UNSIGNED),
    ("privacy", "scope binds", [given(no(), scope="patient-privacy"), yes()], ANY, FREE_TO_GO),
    ("taken back", "a revoked consent is none", [given(yes(), revoked=True)], ANY, REVOKED),
    ("a no taken back", "a revoked no is none", [given(no(), revoked=True), yes()], ANY, FREE_TO_GO),
]
PCF_INTERMEDIATE: list[Row] = [
    ("named hospital", "actor binds", [yes(actors=(3,))], ANY, FREE_TO_GO),
    ("another hospital", "actor binds", [yes(actors=(1,))], ANY, UNSIGNED),
    ("one of several", "actors are alternatives", [yes(actors=(1, 3))], ANY, FREE_TO_GO),
    ("all but one", "an exception to a yes", [yes(no(actors=(3,)))], ANY, DENIED),
    ("all but another", "an exception elsewhere", [yes(no(actors=(1,)))], ANY, FREE_TO_GO),
    ("only one", "an exception to a no", [no(yes(actors=(3,)))], ANY, FREE_TO_GO),
    ("only another", "an exception to a no", [no(yes(actors=(1,)))], ANY, DENIED),
    ("purpose covers", "a permission covers those below", [yes(purposes=("GRU",))], ANY, FREE_TO_GO),
    ("purpose too narrow", "and not those above", [yes(purposes=("HMB",))], Asked(GENERAL), UNSIGNED),
    ("no to ancestry", "health is no ancestry", [yes(no(purposes=("POA",)))], ANY, FREE_TO_GO),
    ("no to ancestry, general", "a no is to all that includes it", [yes(no(purposes=("POA",)))],
     Asked(GENERAL), DENIED),
    ("no to ancestry, asked", "a no to the purpose", [yes(no(purposes=("POA",)))], Asked(ANCESTRY), DENIED),
    ("no to health, any use", "a no is to all that includes it", [yes(no(purposes=("HMB",)))], Asked(FREE),
     DENIED),
    ("not yet", "period binds", [yes(start_ms=NOW + 1)], ANY, UNSIGNED),
    ("first moment", "a period includes its start", [yes(start_ms=NOW)], ANY, FREE_TO_GO),
    ("last moment", "a period includes its end", [yes(end_ms=NOW)], ANY, FREE_TO_GO),
    ("over", "period binds", [yes(end_ms=NOW - 1)], ANY, UNSIGNED),
    ("a no that is over", "period binds a no too", [yes(no(end_ms=NOW - 1))], ANY, FREE_TO_GO),
    ("three levels", "each child negates its parent", [no(yes(no(actors=(3,)), purposes=("GRU",)))], ANY,
     DENIED),
    ("three levels, another", "each child negates its parent", [no(yes(no(actors=(1,))))], ANY, FREE_TO_GO),
    ("siblings", "deny wins ties", [yes(no(yes(actors=(3,))), no(classes=("conditions",)))], ANY, DENIED),
    ("child of what does not match", "a parent limits its children", [yes(no(), actors=(1,))],
     ANY, UNSIGNED),
]  # fmt: skip
PCF_ADVANCED: list[Row] = [
    ("class", "class binds", [yes(classes=("conditions",))], ANY, FREE_TO_GO),
    ("another class", "class binds", [yes(classes=("allergies",))], ANY, UNSIGNED),
    ("class held back", "an exception by class", [yes(no(classes=("conditions",)))], ANY, DENIED),
    ("normal label", "security label binds", [yes(levels=(1, 2, 3))], ANY, FREE_TO_GO),
    ("restricted label", "security label binds", [yes(levels=(1, 2, 3))], Asked(level=4), UNSIGNED),
    ("restricted held back", "an exception by label", [yes(no(levels=(4, 5)))], Asked(level=5), DENIED),
    ("restricted held back, normal", "an exception by label", [yes(no(levels=(4, 5)))], ANY, FREE_TO_GO),
    ("restricted to one", "a label and an actor", [no(yes(levels=(5,), actors=(3,)))], Asked(level=5),
     FREE_TO_GO),
    ("code", "a code is the provider's to decide", [yes(codes=GLUCOSE)], ANY, UNSEEN),
    ("code, vouched", "the head's grant names the object", [yes(codes=GLUCOSE)], Asked(head=NAMED),
     FREE_TO_GO),
    ("code, all granted", "a grant of everything vouches for nothing", [yes(codes=GLUCOSE)],
     Asked(head=Decision("permit", 9)), UNSEEN),
    ("code, denied by the head", "a no vouches for nothing", [yes(codes=GLUCOSE)],
     Asked(head=Decision("deny", 9, named=True)), UNSEEN),
    ("code, no head yet", "silence vouches for nothing", [yes(codes=GLUCOSE)], Asked(head=None), UNSEEN),
    ("code held back", "an unseen no holds", [yes(no(codes=HIV))], ANY, UNSEEN),
    ("code held back, vouched", "the content is without it", [yes(no(codes=HIV))], Asked(head=NAMED),
     FREE_TO_GO),
    ("code held back, vouched before", "a vouch is for words of before", [given(yes(no(codes=HIV)), 9)],
     Asked(head=NAMED), UNSEEN),
    ("code and class", "what does not match needs no vouch", [yes(no(codes=HIV, classes=("allergies",)))],
     ANY, FREE_TO_GO),
    ("code inside a no", "a code is the provider's to decide", [no(yes(codes=GLUCOSE))], ANY, UNSEEN),
    ("no vouch outweighs a plain no", "deny wins ties", [yes(codes=GLUCOSE), no()], Asked(head=NAMED),
     DENIED),
    ("a plain yes needs no vouch", "another consent covers it", [yes(codes=GLUCOSE), yes()], ANY, FREE_TO_GO),
    ("data period", "data periods are the provider's", [yes(data_start_ms=1, data_end_ms=9)], ANY, UNSEEN),
    ("data period, vouched", "data periods are the provider's", [yes(data_end_ms=9)], Asked(head=NAMED),
     FREE_TO_GO),
    ("data of before held back", "an unseen no holds", [yes(no(data_end_ms=9))], ANY, UNSEEN),
    ("code for another hospital", "what does not match needs no vouch", [yes(codes=HIV, actors=(1,))], ANY,
     UNSIGNED),
]  # fmt: skip
MII: list[Row] = [
    ("use", "a yes inside a no", [no(yes(purposes=("HMB",), end_ms=NOW))], ANY, FREE_TO_GO),
    ("use after thirty years", "each module has its time", [no(yes(purposes=("HMB",), end_ms=NOW - 1))], ANY,
     DENIED),
    ("collected in five years", "data of the module's time", [no(yes(data_start_ms=1,
     data_end_ms=5 * YEAR))], ANY, UNSEEN),
    ("collected in five years, vouched", "data of the module's time",
     [no(yes(data_start_ms=1, data_end_ms=5 * YEAR))], Asked(head=NAMED), FREE_TO_GO),
    ("whole consent over", "the root's period binds all", [no(yes(), end_ms=NOW - 1)], ANY, UNSIGNED),
    ("one module of two", "modules are alternatives",
     [no(yes(classes=("observations",)), yes(classes=("conditions",)))], ANY, FREE_TO_GO),
    ("module not ticked", "what is not permitted inside a no is denied",
     [no(yes(classes=("observations",)))], ANY, DENIED),
    ("another module says no", "deny wins ties", [no(yes()), no(classes=("conditions",))], ANY, DENIED),
    ("third countries", "a module for some recipients", [no(yes(actors=(1, 2)))], ANY, DENIED),
    ("insurance data apart", "a module by class and code",
     [no(yes(classes=("encounters",), codes=GLUCOSE))], Asked(data_class="encounters"), UNSEEN),
    ("commercial use", "policy NPU", [no(yes())], Asked(Purpose("HMB", for_profit=True),
     policy=UsePolicy("GRU", ("NPU",))),
     PURPOSE),
    ("withdrawn as a whole", "revocation is of a height", [no(yes())], Asked(revoked=6), REVOKED),
    ("given anew", "what is given later counts alone", [given(no(yes()), 7)], Asked(revoked=6), FREE_TO_GO),
    ("withdrawn in the same block", "at equal height the revocation wins", [given(no(yes()), 6)],
     Asked(revoked=6), REVOKED),
    ("asked in person", "a live yes over an earlier no", [given(no(), 5)], Asked(grant=Decision("permit",
     6)), "live"),
    ("asked in the same block", "at equal height the no wins", [given(no(), 6)],
     Asked(grant=Decision("permit", 6)), DENIED),
    ("refused in person", "a live no over a standing yes", [no(yes())], Asked(grant=Decision("deny", 1)),
     DENIED),
]  # fmt: skip
DUO: list[Row] = [
    ("one disease", "DS binds", [yes(purposes=("DS:cancer",))], Asked(of("cancer")), FREE_TO_GO),
    ("a narrower disease", "what lies below is covered", [yes(purposes=("DS:cancer",))], Asked(of("NSCLC")),
     FREE_TO_GO),
    ("a wider disease", "what lies above is not", [yes(purposes=("DS:lung cancer",))], Asked(of("cancer")),
     UNSIGNED),
    ("another disease", "DS binds", [yes(purposes=("DS:cancer",))], Asked(of("diabetes")), UNSIGNED),
    ("a disease no tree knows", "it is none but itself", [yes(purposes=("DS:cancer",))], Asked(of("gout")),
     UNSIGNED),
    ("the same unknown one", "it is none but itself", [yes(purposes=("DS:gout",))], Asked(of("gout")),
     FREE_TO_GO),
    ("health for a disease", "DS:x does not cover health", [yes(purposes=("DS:cancer",))], ANY, UNSIGNED),
    ("any disease", "DS covers each", [yes(purposes=("DS",))], Asked(of("LADA")), FREE_TO_GO),
    ("no to one disease", "a no to what lies below", [yes(no(purposes=("DS:cancer",)))], Asked(of("NSCLC")),
     DENIED),
    ("no to a narrower one", "a no to all that includes it", [yes(no(purposes=("DS:NSCLC",)))],
     Asked(of("cancer")), DENIED),
    ("no to one, health asked", "a no to all that includes it", [yes(no(purposes=("DS:NSCLC",)))], ANY,
     DENIED),
    ("no to another", "DS binds a no too", [yes(no(purposes=("DS:diabetes",)))], Asked(of("NSCLC")),
     FREE_TO_GO),
    ("policy of a disease", "policy DS covers below", [yes()], Asked(of("NSCLC"), policy=UsePolicy("DS", (),
     "cancer")),
     FREE_TO_GO),
    ("policy of another", "policy DS binds", [yes()], Asked(of("LADA"), policy=UsePolicy("DS", (),
     "cancer")), PURPOSE),
    ("no ancestry", "NPOA refuses POA", [yes()], Asked(ANCESTRY, policy=UsePolicy("GRU", ("NPOA",))),
     PURPOSE),
    ("no ancestry, general", "NPOA has to be promised", [yes()], Asked(GENERAL, policy=UsePolicy("GRU",
     ("NPOA",))), PURPOSE),
    ("no ancestry, promised", "NPOA has to be promised", [yes()],
     Asked(Purpose("GRU", modifiers=("NPOA",)), policy=UsePolicy("GRU", ("NPOA",))), FREE_TO_GO),
    ("no ancestry, health", "NPOA lets health pass", [yes()], Asked(policy=UsePolicy("GRU", ("NPOA",))),
     FREE_TO_GO),
    ("not for profit", "NPUNCU is answered by the purpose", [yes()],
     Asked(Purpose("HMB", for_profit=True, modifiers=("NPUNCU",)), policy=UsePolicy("GRU", ("NPUNCU",))),
     PURPOSE),
    ("conditions met", "all that are met", [yes()],
     Asked(Purpose("HMB", modifiers=("IRB", "PUB", "US")), policy=UsePolicy("GRU", ("IRB", "PUB"))),
     FREE_TO_GO),
]  # fmt: skip
DUO += [
    (f"condition {name}", f"{name} has to be met", [yes()], Asked(policy=UsePolicy("GRU", (name,))), PURPOSE)
    for name in MODIFIERS
    if name not in ("NPU", "NCU", "NPUNCU", "NPOA")
]
TABLES = {
    "PCF basic": PCF_BASIC,
    "PCF intermediate": PCF_INTERMEDIATE,
    "PCF advanced": PCF_ADVANCED,
    "MII": MII,
    "DUO": DUO,
}
ROWS = [(f"{table}: {row[0]} ({row[1]})", *row[2:]) for table, rows in TABLES.items() for row in rows]


def verdict(said: list[Provision2 | StandingConsent], asked: Asked) -> str:
    consents = tuple(given(one) if isinstance(one, Provision2) else one for one in said)
    application = Application(asked.member, asked.purpose, NOW + 10 * YEAR, False)
    found = evaluate_object(
        Question(application, asked.data_class, asked.now, asked.level, TREE),
        policy=asked.policy,
        patient=lambda: PatientFacts(asked.grant, asked.revoked, consents),
        steward=lambda: Decision("permit", 9),
        head=lambda: asked.head,
    )
    return found.rule or found.basis


@pytest.mark.parametrize(
    ("said", "asked", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_what_a_consent_decides(
    said: list[Provision2 | StandingConsent], asked: Asked, expected: str
) -> None:
    assert verdict(said, asked) == expected
    assert verdict(said[::-1], asked) == expected


def test_the_tables_are_long_and_show_every_rule_of_the_patient() -> None:
    assert len(ROWS) >= 60 and len(dict.fromkeys(row[0] for row in ROWS)) == len(ROWS)
    shown = {row[-1] for row in ROWS} - {"live", "standing"}
    assert shown == {UNSEEN, REVOKED, DENIED, UNSIGNED, PURPOSE} <= VERDICT_RULES.keys()
