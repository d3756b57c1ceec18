"""What a consent's provisions answer to one question: permit, deny or nothing, and which of them decided.

They follow FHIR R4 Consent.provision: the root's type holds where the root matches, children are exceptions
to their parent, among several that match a deny wins. Purposes are permissions of GA4GH's Data Use
Ontology.

Codes and data periods are known to the provider alone. A provision that names them may or may not concern
an object, so it is answered twice: once with every such provision turned against the release, and once as
the patient would want it if the object's content is within what was permitted. Only where the provider has
signed for that does the second answer count (evaluate.py). Answers are ordered deny, nothing, permit, and a
parent's answer never falls when a child's rises: so the first is the least, and the second the most, that
any content can make of it."""

from dataclasses import dataclass, field

from chainnode.ledger.diseases import NO_TREE, Parents, below
from chainnode.ledger.documents import AnyProvision, Provision2
from chainnode.ledger.payloads import DENY, PERMIT, Purpose, UsePolicy

COVERS: dict[str, tuple[str, ...]] = {
    "NRES": ("NRES", "GRU", "HMB", "DS", "POA"),
    "GRU": ("GRU", "HMB", "DS", "POA"),
    "HMB": ("HMB", "DS"),
    "DS": ("DS",),
    "POA": ("POA",),
}
"""DUO: what a permission covers. HMB excludes ancestry by its definition (DUO:0000006)."""

NO_PROFIT = ("NPU", "NCU", "NPUNCU")
"""Modifiers that the purpose's `for_profit` answers."""

NO_ANCESTRY = "NPOA"
"""The modifier that excludes population origins: a purpose that might hold them has to say that it does
not."""

_WITHOUT_ANCESTRY = ("HMB", "DS")


@dataclass(frozen=True, slots=True)
class Application:
    """What is asked for, by whom; `withdrawn` and `expires_ms` as the state has them."""

    member: int
    purpose: Purpose
    expires_ms: int
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Question:
    """One object in one application at one time (the block's). `level`: the data's, 1 to 5; `diseases`: the
    tree in force."""

    application: Application
    data_class: str
    now_ms: int
    level: int = 3
    diseases: Parents = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """`type` is permit, deny or "" for nothing; `path`: the deciding provision, by its place in each list
    from the root down."""

    type: str
    path: tuple[int, ...] = ()


NOTHING = Answer("")


def _meets(modifier: str, purpose: Purpose) -> bool:
    if modifier in NO_PROFIT:
        return not purpose.for_profit
    if modifier == NO_ANCESTRY:
        named = modifier in purpose.modifiers and purpose.permission != "POA"
        return named or purpose.permission in _WITHOUT_ANCESTRY
    return modifier in purpose.modifiers


def purpose_permitted(policy: UsePolicy, purpose: Purpose, diseases: Parents = NO_TREE) -> bool:
    """Whether a use policy (DUO) permits a purpose. A policy of another vocabulary permits nothing."""
    if purpose.permission not in COVERS.get(policy.permission, ()):
        return False
    if policy.permission == "DS" and not below(diseases, purpose.disease, policy.disease):
        return False
    return all(_meets(modifier, purpose) for modifier in policy.modifiers)


def _covered(word: str, purpose: Purpose, diseases: Parents) -> bool:
    """Whether a consent's word covers the purpose."""
    permission, _, disease = word.partition(":")
    if disease:
        return purpose.permission == "DS" and below(diseases, purpose.disease, disease)
    return purpose.permission in COVERS[permission]


def _included(word: str, purpose: Purpose, diseases: Parents) -> bool:
    """Whether the purpose would include what the word names."""
    permission, _, disease = word.partition(":")
    if disease and purpose.permission == "DS":
        return below(diseases, disease, purpose.disease)
    return permission in COVERS[purpose.permission]


def _concerns_purpose(provision: AnyProvision, question: Question) -> bool:
    purpose, diseases = question.application.purpose, question.diseases
    if not provision.purposes or any(_covered(word, purpose, diseases) for word in provision.purposes):
        return True
    # A no to health research is a no to general research too, which would include it.
    no = provision.type == DENY
    return no and any(_included(word, purpose, diseases) for word in provision.purposes)


def unmet(provision: AnyProvision, question: Question) -> str:
    """The first of its terms that is not met: actor, class, level, period or purpose; "" where all are."""
    levels = provision.levels if isinstance(provision, Provision2) else ()
    if provision.actors and question.application.member not in provision.actors:
        return "actor"
    if provision.classes and question.data_class not in provision.classes:
        return "class"
    if levels and question.level not in levels:
        return "level"
    if question.now_ms < provision.start_ms or 0 < provision.end_ms < question.now_ms:
        return "period"
    return "" if _concerns_purpose(provision, question) else "purpose"


def turns_on_content(provision: AnyProvision) -> bool:
    """Whether it names codes or a data period."""
    if not isinstance(provision, Provision2):
        return False
    return bool(provision.codes or provision.data_start_ms or provision.data_end_ms)


def answer(provision: AnyProvision, question: Question, *, vouched: bool = False) -> Answer:
    """What the provision says. `vouched`: the provider signed that the object's content is within what was
    permitted."""
    if unmet(provision, question):
        return NOTHING
    found = Answer(provision.type)
    children: tuple[AnyProvision, ...] = provision.provisions
    for at, child in enumerate(children):
        one = answer(child, question, vouched=vouched)
        if one.type == DENY or (one.type == PERMIT and found.path == ()):
            found = Answer(one.type, (at, *one.path))
            if one.type == DENY:
                break
    if turns_on_content(provision) and found.type != (PERMIT if vouched else DENY):
        return NOTHING
    return found
