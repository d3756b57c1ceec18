"""The consent evaluator: pure, over plain facts, the same on every node and in every verifier.

Its rules are looked at in this order and the first that holds is the verdict:
request-withdrawn, application-expired, purpose-not-permitted, revoked, patient-denied, patient-not-signed,
steward-denied / steward-not-signed, head-denied / head-not-signed. None holds: authorised, rule "".

Consents follow FHIR R4 Consent.provision: the root's type holds where the root matches, children are
exceptions to their parent, among several that match a deny wins. "Now" is the block's time. Heights, not
positions in a block, order what a patient said; at equal height the deny and the revocation win.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chainnode.ledger.payloads import DENY, PERMIT, ConsentDocument, Provision, Purpose, UsePolicy
from chainnode.ledger.records import BASIS_LIVE, BASIS_STANDING
from chainnode.ledger.rows import SCOPE_RESEARCH, STATUS_ACTIVE

EVALUATOR_VERSION = 1

_COVERS: dict[str, tuple[str, ...]] = {
    "NRES": ("NRES", "GRU", "HMB", "DS", "POA"),
    "GRU": ("GRU", "HMB", "DS", "POA"),
    "HMB": ("HMB", "DS"),
    "DS": ("DS",),
    "POA": ("POA",),
}
"""DUO: what a permission covers. HMB excludes ancestry by its definition (DUO:0000006)."""

_NO_PROFIT = ("NPU", "NCU")
"""Modifiers that the purpose's `for_profit` answers; the others must be among its modifiers."""


@dataclass(frozen=True, slots=True)
class Application:
    """What is asked for, by whom; `withdrawn` and `expires_ms` as the state has them."""

    member: int
    purpose: Purpose
    expires_ms: int
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """A grant as far as it covers the object: permit or deny, and its height."""

    decision: str
    height: int


@dataclass(frozen=True, slots=True)
class StandingConsent:
    """`document` is None where the row was erased: no consent. `revoked` is of this very consent."""

    document: ConsentDocument | None
    height: int
    revoked: bool


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """What the patient said that concerns the object. `revoked_height`: the latest revocation of
    everything, of the object's class or of this request; 0 for none."""

    grant: Decision | None
    revoked_height: int
    consents: tuple[StandingConsent, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rule` "" for authorised, with `basis` "live" or "standing"."""

    rule: str
    basis: str = ""


def purpose_permitted(policy: UsePolicy, purpose: Purpose) -> bool:
    """Whether a use policy (DUO) permits a purpose. A policy of another vocabulary permits nothing."""
    if purpose.permission not in _COVERS.get(policy.permission, ()):
        return False
    if policy.permission == "DS" and purpose.disease != policy.disease:
        return False
    for modifier in policy.modifiers:
        if modifier in _NO_PROFIT:
            if purpose.for_profit:
                return False
        elif modifier not in purpose.modifiers:
            return False
    return True


def _concerns(provision: Provision, permission: str) -> bool:
    if not provision.purposes:
        return True
    if provision.type == PERMIT:
        return any(permission in _COVERS[one] for one in provision.purposes)
    # A no to health research is a no to general research too, which would include it.
    return any(permission in _COVERS[one] or one in _COVERS[permission] for one in provision.purposes)


def evaluate_provision(
    provision: Provision, application: Application, data_class: str, now_ms: int
) -> str | None:
    """permit, deny, or None where the provision does not concern the question."""
    concerned = (
        (not provision.actors or application.member in provision.actors)
        and (not provision.classes or data_class in provision.classes)
        and provision.start_ms <= now_ms
        and (provision.end_ms == 0 or now_ms <= provision.end_ms)
        and _concerns(provision, application.purpose.permission)
    )
    if not concerned:
        return None
    answers = [evaluate_provision(child, application, data_class, now_ms) for child in provision.provisions]
    if DENY in answers:
        return DENY
    return PERMIT if PERMIT in answers else provision.type


def evaluate_document(
    document: ConsentDocument | None, application: Application, data_class: str, now_ms: int
) -> str | None:
    """What a standing consent says. Erased, not active or not about research: nothing."""
    if document is None or document.status != STATUS_ACTIVE or document.scope != SCOPE_RESEARCH:
        return None
    return evaluate_provision(document.provision, application, data_class, now_ms)


def application_rule(application: Application, now_ms: int) -> str:
    """The rule that refuses the application as a whole, "" for none."""
    if application.withdrawn:
        return "request-withdrawn"
    return "application-expired" if now_ms >= application.expires_ms else ""


def _patient_verdict(facts: PatientFacts, application: Application, data_class: str, now_ms: int) -> Verdict:
    live_height, standing, deny_height = 0, False, 0
    revoked = facts.revoked_height > 0
    if facts.grant is not None and facts.grant.decision == PERMIT:
        live_height = facts.grant.height
    for consent in facts.consents:
        answer = evaluate_document(consent.document, application, data_class, now_ms)
        if consent.revoked:
            revoked = revoked or answer == PERMIT
        elif answer == DENY:
            deny_height = max(deny_height, consent.height)
        elif answer == PERMIT and consent.height > facts.revoked_height:
            standing = True
    live = live_height > facts.revoked_height
    if revoked and not live and not standing:
        return Verdict("revoked")
    if facts.grant is not None and facts.grant.decision == DENY:
        return Verdict("patient-denied")
    if deny_height and not (live and live_height > deny_height):
        return Verdict("patient-denied")
    if live:
        return Verdict("", BASIS_LIVE)
    return Verdict("", BASIS_STANDING) if standing else Verdict("patient-not-signed")


def _provider_rule(role: str, decision: Decision | None) -> str:
    if decision is None:
        return f"{role}-not-signed"
    return "" if decision.decision == PERMIT else f"{role}-denied"


def evaluate_object(
    application: Application,
    *,
    now_ms: int,
    policy: UsePolicy,
    data_class: str,
    patient: Callable[[], PatientFacts],
    steward: Callable[[], Decision | None],
    head: Callable[[], Decision | None],
) -> Verdict:
    """The verdict on one object. Later facts are asked for only where earlier rules let pass, so that
    a receipt has to prove no more than the verdict rests on."""
    rule = application_rule(application, now_ms)
    if rule:
        return Verdict(rule)
    if not purpose_permitted(policy, application.purpose):
        return Verdict("purpose-not-permitted")
    verdict = _patient_verdict(patient(), application, data_class, now_ms)
    if verdict.rule:
        return verdict
    rule = _provider_rule("steward", steward()) or _provider_rule("head", head())
    return Verdict(rule) if rule else verdict
