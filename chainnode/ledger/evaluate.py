"""The consent evaluator: pure, over plain facts, the same on every node and in every verifier.

Its rules are looked at in this order and the first that holds is the verdict:
request-withdrawn, application-expired, purpose-not-permitted, content-not-decided, revoked, patient-denied,
patient-not-signed, steward-denied / steward-not-signed, head-denied / head-not-signed. None holds:
authorised, rule "".

What a consent's provisions say stands in provisions.py. "Now" is the block's time. Heights, not positions
in a block, order what a patient said; at equal height the deny and the revocation win.

Version 2 is in force from the height on at which the feature `consent-2` begins: documents of the second
form say something, and diseases lie in the tree that was published. Version 1 knows neither, and stays
evaluable: a decision names the version that made it."""

from collections.abc import Callable
from dataclasses import dataclass

from chainnode.ledger import features
from chainnode.ledger.documents import AnyConsent
from chainnode.ledger.payloads import DENY, PERMIT, UsePolicy
from chainnode.ledger.provisions import NOTHING, Answer, Application, Question, answer, purpose_permitted
from chainnode.ledger.records import BASIS_LIVE, BASIS_STANDING
from chainnode.ledger.rows import SCOPE_RESEARCH, STATUS_ACTIVE
from chainnode.ledger.view import Reader

FIRST_VERSION, SECOND_VERSION = 1, 2
VERSIONS = (FIRST_VERSION, SECOND_VERSION)


def version_at(reader: Reader, height: int) -> int:
    """The evaluator's version that decides in the block at `height`."""
    return SECOND_VERSION if features.active(reader, features.CONSENT_2, height) else FIRST_VERSION


@dataclass(frozen=True, slots=True)
class Decision:
    """A grant as far as it covers the object: permit or deny, and its height. `named`: it lists the object,
    rather than everything that was asked for; of a head's permit this says that the object's codes and
    dates are within the patient's words of before."""

    decision: str
    height: int
    named: bool = False


@dataclass(frozen=True, slots=True)
class StandingConsent:
    """`document` is None where the row was erased: no consent. `revoked` is of this very consent."""

    document: AnyConsent | None
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


def answer_of(document: AnyConsent | None, question: Question, *, vouched: bool = False) -> Answer:
    """What a standing consent says. Erased, not active or not about research: nothing."""
    if document is None or document.status != STATUS_ACTIVE or document.scope != SCOPE_RESEARCH:
        return NOTHING
    return answer(document.provision, question, vouched=vouched)


def application_rule(application: Application, now_ms: int) -> str:
    """The rule that refuses the application as a whole, "" for none."""
    if application.withdrawn:
        return "request-withdrawn"
    return "application-expired" if now_ms >= application.expires_ms else ""


def _patient_verdict(facts: PatientFacts, question: Question, vouched_height: int) -> Verdict:
    """`vouched_height`: consents of lower heights are read as the provider signed for the content."""
    live_height, standing, deny_height = 0, False, 0
    revoked = facts.revoked_height > 0
    if facts.grant is not None and facts.grant.decision == PERMIT:
        live_height = facts.grant.height
    for consent in facts.consents:
        said = answer_of(consent.document, question, vouched=consent.height < vouched_height).type
        if consent.revoked:
            revoked = revoked or said == PERMIT
        elif said == DENY:
            deny_height = max(deny_height, consent.height)
        elif said == PERMIT and consent.height > facts.revoked_height:
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


def patient_verdict(
    facts: PatientFacts, question: Question, head: Callable[[], Decision | None]
) -> tuple[Verdict, int]:
    """The patient's half, and up to which height the provider vouched for the content, 0 where it did not
    matter. `head` is asked for only where codes or data periods decide."""
    verdict = _patient_verdict(facts, question, 0)
    latest = max([consent.height for consent in facts.consents], default=0) + 1
    if not verdict.rule or _patient_verdict(facts, question, latest).rule:
        return verdict, 0
    said = head()
    vouched = said.height if said is not None and said.named and said.decision == PERMIT else 0
    verdict = _patient_verdict(facts, question, vouched)
    return (Verdict("content-not-decided") if verdict.rule else verdict), vouched


def _provider_rule(role: str, decision: Decision | None) -> str:
    if decision is None:
        return f"{role}-not-signed"
    return "" if decision.decision == PERMIT else f"{role}-denied"


def evaluate_object(
    question: Question,
    *,
    policy: UsePolicy,
    patient: Callable[[], PatientFacts],
    steward: Callable[[], Decision | None],
    head: Callable[[], Decision | None],
) -> Verdict:
    """The verdict on one object. Later facts are asked for only where earlier rules let pass, so that
    a receipt has to prove no more than the verdict rests on."""
    application = question.application
    rule = application_rule(application, question.now_ms)
    if rule:
        return Verdict(rule)
    if not purpose_permitted(policy, application.purpose, question.diseases):
        return Verdict("purpose-not-permitted")
    verdict, _ = patient_verdict(patient(), question, head)
    if verdict.rule:
        return verdict
    rule = _provider_rule("steward", steward()) or _provider_rule("head", head())
    return Verdict(rule) if rule else verdict
