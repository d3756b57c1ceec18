"""Consents and verdicts in words: what a provision says, and which one decided. No decision is made here."""

from chainnode.cli.actions.base import member_slug
from chainnode.cli.output import when
from chainnode.ledger.decision import Weighed
from chainnode.ledger.documents import AnyConsent, AnyProvision, Provision2
from chainnode.ledger.evaluate import answer_of
from chainnode.ledger.payloads import DENY, PERMIT
from chainnode.ledger.provisions import Answer, unmet
from chainnode.ledger.records import BASIS_STANDING, ConsentRecord
from chainnode.ledger.rows import SCOPE_RESEARCH, STATUS_ACTIVE
from chainnode.ledger.rules import RULES
from chainnode.node.api import ChainInfo

LAST_MS = 253_402_300_799_999
"""The end of the year 9999: what lies behind is told as that."""


def provision_words(one: AnyProvision, info: ChainInfo) -> str:
    """`permit HMB; conditions; for hospital-d; until 2027-12-31 23:59 UTC; 1 exception`; "anything" where
    nothing is named."""
    parts = [", ".join(one.purposes), ", ".join(one.classes)]
    if isinstance(one, Provision2):
        parts.append(f"of level {', '.join(map(str, one.levels))}" if one.levels else "")
        parts.append(f"where the data say {', '.join(one.codes)}" if one.codes else "")
        parts.append(_span("data", one.data_start_ms, one.data_end_ms))
    actors = ", ".join(member_slug(info, number) for number in one.actors)
    parts.append(f"for {actors}" if actors else "")
    named = "; ".join(part for part in parts if part) or "anything"
    count = len(one.provisions)
    exceptions = f"{count} exception{'s' if count > 1 else ''}" if count else ""
    more = [part for part in (_span("", one.start_ms, one.end_ms), exceptions) if part]
    return "; ".join([f"{one.type} {named}", *more])


def _span(what: str, start_ms: int, end_ms: int) -> str:
    words = [what] if what and (start_ms or end_ms) else []
    words += [f"from {_moment(start_ms)}"] if start_ms else []
    words += [f"until {_moment(end_ms)}"] if end_ms else []
    return " ".join(words)


def _moment(time_ms: int) -> str:
    return f"{when(min(time_ms, LAST_MS))} UTC"


def place(path: tuple[int, ...]) -> str:
    """How people count provisions: the root, its second child "2", that one's first "2.1"."""
    return ".".join(str(at + 1) for at in path) or "root"


def provision_at(root: AnyProvision, path: tuple[int, ...]) -> AnyProvision:
    for at in path:
        root = root.provisions[at]
    return root


def answers(weighed: Weighed) -> list[Answer]:
    """What each consent said to the question, as the verdict read it."""
    return [
        answer_of(one.document, weighed.question, vouched=one.height < weighed.vouched_height)
        for one in weighed.facts.consents
    ]


def deciding(weighed: Weighed) -> list[int]:
    """Which standing consents the verdict rests on, by their place; none where something else decided."""
    said, facts, found = answers(weighed), weighed.facts, weighed.verdict
    standing = [(at, one) for at, one in enumerate(facts.consents) if not one.revoked]
    if found.basis == BASIS_STANDING:
        return [at for at, one in standing if said[at].type == PERMIT and one.height > facts.revoked_height]
    if found.rule == "patient-denied" and (facts.grant is None or facts.grant.decision != DENY):
        return [at for at, _ in standing if said[at].type == DENY]
    if found.rule == "content-not-decided":
        most = [answer_of(one.document, weighed.question, vouched=True) for one in facts.consents]
        return [at for at, _ in standing if most[at].type != said[at].type]
    return []


def verdict_words(weighed: Weighed) -> str:
    """The verdict and, where no standing consent made it, who did."""
    found, facts = weighed.verdict, weighed.facts
    if not found.rule:
        height = facts.grant.height if facts.grant is not None else 0
        live = f"live: the patient signed this application at height {height}"
        return f"authorised, {'standing' if found.basis == BASIS_STANDING else live}"
    more = ""
    if found.rule == "revoked" and facts.revoked_height:
        more = f" The latest revocation is of height {facts.revoked_height}."
    elif found.rule == "patient-denied" and not deciding(weighed) and facts.grant is not None:
        more = f" It was said of this application, at height {facts.grant.height}."
    elif found.rule == "purpose-not-permitted":
        policy, purpose = weighed.policy, weighed.question.application.purpose
        asked = " ".join([purpose.permission, purpose.disease, *purpose.modifiers]).strip()
        held = " ".join([policy.permission, policy.disease, *policy.modifiers]).strip()
        profit = ", for profit" if purpose.for_profit else ""
        more = f" Asked for {' '.join(asked.split())}{profit}; the policy is {' '.join(held.split())}."
    return f"refused, {found.rule}: {RULES[found.rule]}{more}"


def consent_words(weighed: Weighed, at: int, info: ChainInfo) -> str:
    """What one standing consent said to the question, and by which of its provisions."""
    record, fact, said = weighed.consents[at], weighed.facts.consents[at], answers(weighed)[at]
    head = f"consent {record.consent_id.hex()} of height {record.given.height}"
    if fact.document is None:
        return f"{head}: its terms were erased, or are not for this role or not in force here: says nothing"
    head += _standing(record)
    if said.type:
        root = fact.document.provision
        words = provision_words(provision_at(root, said.path), info)
        return f"{head}: provision {place(said.path)} decides: {words}"
    return f"{head}: says nothing, {_why_nothing(fact.document, weighed)}"


def _standing(record: ConsentRecord) -> str:
    return f", taken back at height {record.revoked.height}" if record.revoked.height else ""


def _why_nothing(document: AnyConsent, weighed: Weighed) -> str:
    if document.status != STATUS_ACTIVE:
        return f"its status is {document.status}"
    if document.scope != SCOPE_RESEARCH:
        return f"it is about {document.scope}"
    term = unmet(document.provision, weighed.question)
    if term:
        return f"for its {term} is another one"
    return "for codes or data periods decide and the head has not named this object since"
