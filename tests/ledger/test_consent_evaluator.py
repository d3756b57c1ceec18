"""The consent evaluator by tables, and by properties that no table can list."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chainnode.ledger.documents import ConsentDocument, Provision
from chainnode.ledger.evaluate import (
    Decision,
    PatientFacts,
    StandingConsent,
    Verdict,
    answer_of,
    evaluate_object,
)
from chainnode.ledger.payloads import DATA_CLASSES, PERMISSIONS, Purpose, UsePolicy
from chainnode.ledger.provisions import Application, Question, answer, purpose_permitted
from tests.ledger.world import quick

NOW = 1_000
ASKED = Application(3, Purpose("HMB"), 2_000, False)
YES, NO = Provision("permit"), Provision("deny")


def document(provision: Provision, status: str = "active", scope: str = "research") -> ConsentDocument:
    return ConsentDocument(status, scope, 0, provision)


def standing(provision: Provision, height: int = 5, revoked: bool = False) -> StandingConsent:
    return StandingConsent(document(provision), height, revoked)


def patient(
    grant: Decision | None = None, *consents: StandingConsent, revoked_height: int = 0
) -> PatientFacts:
    return PatientFacts(grant, revoked_height, consents)


def permit(height: int = 5) -> Decision:
    return Decision("permit", height)


def deny(height: int = 5) -> Decision:
    return Decision("deny", height)


def verdict(
    facts: PatientFacts,
    *,
    application: Application = ASKED,
    policy: UsePolicy = UsePolicy("GRU"),
    steward: Decision | None = permit(),
    head: Decision | None = permit(),
    now_ms: int = NOW,
) -> Verdict:
    return evaluate_object(
        Question(application, "conditions", now_ms),
        policy=policy,
        patient=lambda: facts,
        steward=lambda: steward,
        head=lambda: head,
    )


def says(provision: Provision, data_class: str = "conditions") -> str:
    return answer(provision, Question(ASKED, data_class, NOW)).type


def document_says(held: ConsentDocument | None) -> str:
    return answer_of(held, Question(ASKED, "conditions", NOW)).type


COVERED = {
    "NRES": {"NRES", "GRU", "HMB", "DS", "POA"},
    "GRU": {"GRU", "HMB", "DS", "POA"},
    "HMB": {"HMB", "DS"},
    "DS": {"DS"},
    "POA": {"POA"},
}


@pytest.mark.parametrize("policy", PERMISSIONS)
@pytest.mark.parametrize("purpose", PERMISSIONS)
def test_a_policy_covers_the_purposes_below_it(policy: str, purpose: str) -> None:
    disease = {"DS": "MONDO:1"}
    allowed = purpose_permitted(
        UsePolicy(policy, (), disease.get(policy, "")), Purpose(purpose, disease.get(purpose, ""))
    )
    assert allowed == (purpose in COVERED[policy])


@pytest.mark.parametrize(
    ("policy", "purpose", "allowed"),
    [
        (UsePolicy("DS", (), "MONDO:1"), Purpose("DS", "MONDO:1"), True),
        (UsePolicy("DS", (), "MONDO:1"), Purpose("DS", "MONDO:2"), False),
        (UsePolicy("GRU", ("NPU",)), Purpose("HMB"), True),
        (UsePolicy("GRU", ("NPU",)), Purpose("HMB", for_profit=True), False),
        (UsePolicy("GRU", ("NCU",)), Purpose("HMB", for_profit=True, modifiers=("NCU",)), False),
        (UsePolicy("GRU", ("IRB",)), Purpose("HMB"), False),
        (UsePolicy("GRU", ("IRB",)), Purpose("HMB", modifiers=("IRB",)), True),
        (UsePolicy("GRU", ("IRB", "PS")), Purpose("HMB", modifiers=("IRB",)), False),
        (UsePolicy("GRU", ("IRB", "NPU")), Purpose("HMB", modifiers=("IRB", "TS")), True),
        (UsePolicy("GRU"), Purpose("HMB", for_profit=True), True),
    ],
)
def test_modifiers_and_diseases_bind(policy: UsePolicy, purpose: Purpose, allowed: bool) -> None:
    assert purpose_permitted(policy, purpose) is allowed


PROVISIONS = [
    (YES, "permit"),
    (NO, "deny"),
    (Provision("permit", actors=(3,)), "permit"),
    (Provision("permit", actors=(1, 2)), ""),
    (Provision("permit", classes=("conditions",)), "permit"),
    (Provision("permit", classes=("allergies",)), ""),
    (Provision("permit", purposes=("GRU",)), "permit"),
    (Provision("permit", purposes=("DS",)), ""),
    (Provision("permit", purposes=("POA",)), ""),
    (Provision("deny", purposes=("GRU",)), "deny"),
    (Provision("deny", purposes=("DS",)), "deny"),
    (Provision("deny", purposes=("POA",)), ""),
    (Provision("permit", start_ms=NOW), "permit"),
    (Provision("permit", start_ms=NOW + 1), ""),
    (Provision("permit", end_ms=NOW), "permit"),
    (Provision("permit", end_ms=NOW - 1), ""),
    (Provision("permit", provisions=(Provision("deny", actors=(3,)),)), "deny"),
    (Provision("permit", provisions=(Provision("deny", actors=(2,)),)), "permit"),
    (Provision("deny", provisions=(Provision("permit", actors=(3,)),)), "permit"),
    (Provision("deny", provisions=(Provision("permit", purposes=("NRES",)),)), "permit"),
    (Provision("permit", actors=(2,), provisions=(Provision("deny"),)), ""),
    (
        Provision("deny", provisions=(Provision("permit", provisions=(Provision("deny", actors=(3,)),)),)),
        "deny",
    ),
    (
        Provision(
            "permit",
            provisions=(
                Provision("deny", provisions=(Provision("permit", actors=(3,)),)),
                Provision("deny", classes=("conditions",)),
            ),
        ),
        "deny",
    ),
]


@pytest.mark.parametrize(("provision", "expected"), PROVISIONS)
def test_provisions_answer_as_fhir_says(provision: Provision, expected: str) -> None:
    assert says(provision) == expected


@pytest.mark.parametrize("status", ["draft", "proposed", "rejected", "inactive", "entered-in-error"])
def test_a_consent_that_is_not_active_says_nothing(status: str) -> None:
    for provision in (YES, NO):
        assert document_says(document(provision, status)) == ""


def test_a_consent_about_something_else_or_erased_says_nothing() -> None:
    assert document_says(document(YES, scope="treatment")) == ""
    assert document_says(None) == ""


PATIENTS = [
    ("nothing", patient(), "patient-not-signed", ""),
    ("live grant", patient(permit()), "", "live"),
    ("live refusal", patient(deny()), "patient-denied", ""),
    ("standing consent", patient(None, standing(YES)), "", "standing"),
    ("standing no", patient(None, standing(NO)), "patient-denied", ""),
    (
        "consent for others",
        patient(None, standing(Provision("permit", actors=(1,)))),
        "patient-not-signed",
        "",
    ),
    ("erased consent", patient(None, StandingConsent(None, 5, False)), "patient-not-signed", ""),
    ("yes and no", patient(None, standing(YES, 5), standing(NO, 4)), "patient-denied", ""),
    ("live over an earlier no", patient(permit(6), standing(NO, 5)), "", "live"),
    ("live at the height of a no", patient(permit(5), standing(NO, 5)), "patient-denied", ""),
    ("live before a no", patient(permit(4), standing(NO, 5)), "patient-denied", ""),
    ("live refusal over a standing yes", patient(deny(4), standing(YES, 5)), "patient-denied", ""),
    ("live and standing", patient(permit(), standing(YES)), "", "live"),
    ("revoked after", patient(permit(5), revoked_height=6), "revoked", ""),
    ("revoked at the same height", patient(permit(5), revoked_height=5), "revoked", ""),
    ("granted after revoking", patient(permit(6), revoked_height=5), "", "live"),
    ("revoked with nothing given", patient(revoked_height=5), "revoked", ""),
    ("consent before revoking", patient(None, standing(YES, 5), revoked_height=5), "revoked", ""),
    ("consent after revoking", patient(None, standing(YES, 6), revoked_height=5), "", "standing"),
    ("that consent revoked", patient(None, standing(YES, 5, True)), "revoked", ""),
    ("one revoked, one stands", patient(None, standing(YES, 5, True), standing(YES, 4)), "", "standing"),
    ("a no taken back", patient(None, standing(NO, 5, True), standing(YES, 4)), "", "standing"),
    ("only a no taken back", patient(None, standing(NO, 5, True)), "patient-not-signed", ""),
    ("live covers a revoked consent", patient(permit(9), standing(YES, 5, True)), "", "live"),
    (
        "a void grant does not outweigh a no",
        patient(permit(7), standing(NO, 5), standing(YES, 11), revoked_height=9),
        "patient-denied",
        "",
    ),
]


@pytest.mark.parametrize(("name", "facts", "rule", "basis"), PATIENTS, ids=[one[0] for one in PATIENTS])
def test_the_patients_half_of_the_verdict(name: str, facts: PatientFacts, rule: str, basis: str) -> None:
    assert verdict(facts) == Verdict(rule, basis)


@pytest.mark.parametrize(
    ("steward", "head", "rule"),
    [
        (permit(), permit(), ""),
        (None, permit(), "steward-not-signed"),
        (deny(), permit(), "steward-denied"),
        (permit(), None, "head-not-signed"),
        (permit(), deny(), "head-denied"),
        (None, None, "steward-not-signed"),
        (None, deny(), "steward-not-signed"),
    ],
)
def test_the_hospitals_half_of_the_verdict(
    steward: Decision | None, head: Decision | None, rule: str
) -> None:
    assert verdict(patient(permit()), steward=steward, head=head).rule == rule


def test_rules_are_looked_at_in_their_order() -> None:
    """Everything is wrong at first; what is mended lets the next rule speak."""
    worst = {"application": changed(ASKED, withdrawn=True, expires_ms=NOW), "policy": UsePolicy("POA")}
    steps: list[tuple[dict[str, object], PatientFacts, str]] = [
        (worst, patient(revoked_height=1), "request-withdrawn"),
        ({"application": changed(ASKED, expires_ms=NOW)}, patient(), "application-expired"),
        ({"application": ASKED}, patient(), "purpose-not-permitted"),
        ({"policy": UsePolicy("GRU")}, patient(deny(), revoked_height=1), "revoked"),
        ({}, patient(deny()), "patient-denied"),
        ({}, patient(), "patient-not-signed"),
        ({}, patient(permit()), "steward-not-signed"),
        ({"steward": permit()}, patient(permit()), "head-not-signed"),
        ({"head": permit()}, patient(permit()), ""),
    ]
    state: dict[str, object] = {"steward": None, "head": None}
    for changes, facts, expected in steps:
        state |= changes
        assert verdict(facts, **state).rule == expected  # type: ignore[arg-type]


def changed(application: Application, **changes: object) -> Application:
    fields = {name: getattr(application, name) for name in application.__slots__}
    return Application(**(fields | changes))  # type: ignore[arg-type]


def test_an_application_expires_at_its_time() -> None:
    assert verdict(patient(permit()), now_ms=1_999).rule == ""
    assert verdict(patient(permit()), now_ms=2_000).rule == "application-expired"


def test_facts_behind_the_deciding_rule_are_not_asked_for() -> None:
    def never() -> Decision | None:
        raise AssertionError("not needed")

    facts: Callable[[], PatientFacts] = patient
    question = Question(ASKED, "conditions", NOW)
    found = evaluate_object(question, policy=UsePolicy("GRU"), patient=facts, steward=never, head=never)
    assert found.rule == "patient-not-signed"


def provisions(kind: str, depth: int) -> st.SearchStrategy[Provision]:
    other = "deny" if kind == "permit" else "permit"
    children = st.lists(provisions(other, depth - 1), max_size=2) if depth > 1 else st.just([])
    return st.builds(
        Provision,
        st.just(kind),
        actors=st.lists(st.integers(1, 4), max_size=2).map(tuple),
        purposes=st.lists(st.sampled_from(PERMISSIONS), max_size=2).map(tuple),
        classes=st.lists(st.sampled_from(DATA_CLASSES[:4]), max_size=2).map(tuple),
        start_ms=st.sampled_from([0, NOW - 1, NOW, NOW + 1]),
        end_ms=st.sampled_from([0, NOW, NOW + 1]),
        provisions=children.map(tuple),
    )


ROOTS = st.sampled_from(["permit", "deny"]).flatmap(lambda kind: provisions(kind, 3))
CONSENTS = st.builds(standing, ROOTS, st.integers(1, 9), st.booleans())
DECISIONS = st.none() | st.builds(Decision, st.sampled_from(["permit", "deny"]), st.integers(1, 9))
FACTS = st.builds(
    PatientFacts, DECISIONS, st.sampled_from([0, 0, 3, 6]), st.lists(CONSENTS, max_size=3).map(tuple)
)


def with_denial(provision: Provision, denial: Provision, at: int) -> Provision:
    """`denial` as one more exception of the `at`-th permit node, counted from the root down."""
    if provision.type == "permit" and at == 0:
        return structs.replace(provision, provisions=(*provision.provisions, denial))
    children = tuple(with_denial(one, denial, at - 1) for one in provision.provisions)
    return structs.replace(provision, provisions=children)


@quick
@given(FACTS, st.builds(standing, provisions("deny", 1), st.integers(1, 9)))
def test_one_more_standing_no_never_widens(facts: PatientFacts, no: StandingConsent) -> None:
    more = PatientFacts(facts.grant, facts.revoked_height, (*facts.consents, no))
    if verdict(facts).rule:
        assert verdict(more).rule


@quick
@given(ROOTS, provisions("deny", 1), st.integers(0, 2))
def test_a_deny_inside_a_consent_never_widens(root: Provision, denial: Provision, at: int) -> None:
    narrowed = with_denial(root, denial, at)
    if verdict(patient(None, standing(root))).rule:
        assert verdict(patient(None, standing(narrowed))).rule


@quick
@given(FACTS, st.integers(1, 9))
def test_a_later_revocation_never_widens(facts: PatientFacts, height: int) -> None:
    later = PatientFacts(facts.grant, max(height, facts.revoked_height), facts.consents)
    if verdict(facts).rule:
        assert verdict(later).rule


@quick
@given(FACTS, st.integers(1, 9))
def test_turning_the_grant_into_a_no_refuses(facts: PatientFacts, height: int) -> None:
    assert verdict(PatientFacts(deny(height), facts.revoked_height, facts.consents)).rule


@quick
@given(FACTS, DECISIONS, DECISIONS)
def test_nothing_is_authorised_without_all_three(
    facts: PatientFacts, steward: Decision | None, head: Decision | None
) -> None:
    found = verdict(facts, steward=steward, head=head)
    if not found.rule:
        assert steward is not None and steward.decision == "permit"
        assert head is not None and head.decision == "permit"
        live = facts.grant is not None and facts.grant.decision == "permit"
        said_yes = any(
            answer_of(one.document, Question(ASKED, "conditions", NOW)).type == "permit" and not one.revoked
            for one in facts.consents
        )
        assert live if found.basis == "live" else said_yes


@quick
@given(ROOTS)
def test_the_answer_does_not_depend_on_the_order_of_exceptions(root: Provision) -> None:
    turned = structs.replace(root, provisions=tuple(reversed(root.provisions)))
    for data_class in DATA_CLASSES[:4]:
        assert says(root, data_class) == says(turned, data_class)
