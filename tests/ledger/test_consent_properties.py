"""What holds of every consent, also where codes, data periods and diseases decide."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chainnode.ledger.documents import ConsentDocument2, Provision2
from chainnode.ledger.evaluate import Decision, PatientFacts, StandingConsent, Verdict, evaluate_object
from chainnode.ledger.payloads import Purpose, UsePolicy
from chainnode.ledger.provisions import Application, Question, answer, turns_on_content
from tests.ledger.world import quick

NOW = 1_000
TREE = {"lung": ("cancer",), "cancer": (), "gout": ()}
RANK = {"deny": 0, "": 1, "permit": 2}
PURPOSES = ("GRU", "HMB", "DS", "POA", "DS:cancer", "DS:lung", "DS:gout")
ASKED = [Purpose("GRU"), Purpose("HMB"), Purpose("POA"), Purpose("DS", "cancer"), Purpose("DS", "lung")]
QUESTIONS = st.builds(
    lambda purpose, level: Question(Application(3, purpose, 2 * NOW, False), "conditions", NOW, level, TREE),
    st.sampled_from(ASKED),
    st.integers(2, 3),
)


def some(*words: object, most: int = 2) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(st.sampled_from(words), max_size=most, unique=True).map(tuple)


def provisions(kind: str, depth: int) -> st.SearchStrategy[Provision2]:
    other = "deny" if kind == "permit" else "permit"
    children = st.lists(provisions(other, depth - 1), max_size=2) if depth > 1 else st.just([])
    return st.builds(
        Provision2,
        st.just(kind),
        actors=some(3, 1),
        purposes=some(*PURPOSES),
        classes=some("conditions", "allergies"),
        start_ms=st.sampled_from([0, 0, NOW, NOW + 1]),
        end_ms=st.sampled_from([0, 0, NOW, NOW - 1]),
        levels=some(2, 3),
        codes=some("a|1", "a|2", most=1),
        data_end_ms=st.sampled_from([0, 0, 0, 9]),
        provisions=children.map(tuple),
    )


ROOTS = st.sampled_from(["permit", "deny"]).flatmap(lambda kind: provisions(kind, 3))


def standing(root: Provision2, height: int = 5, revoked: bool = False) -> StandingConsent:
    return StandingConsent(ConsentDocument2("active", "research", 0, root), height, revoked)


CONSENTS = st.lists(st.builds(standing, ROOTS, st.integers(1, 9), st.booleans()), max_size=3)
HEADS = st.none() | st.builds(Decision, st.sampled_from(["permit", "deny"]), st.integers(1, 9), st.booleans())


def verdict(question: Question, consents: list[StandingConsent], head: Decision | None) -> Verdict:
    return evaluate_object(
        question,
        policy=UsePolicy("NRES"),
        patient=lambda: PatientFacts(None, 0, tuple(consents)),
        steward=lambda: Decision("permit", 9),
        head=lambda: head,
    )


def paths(root: Provision2, at: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Provision2]]:
    yield at, root
    for place, child in enumerate(root.provisions):
        yield from paths(child, (*at, place))


def worlds(root: Provision2) -> Iterator[Provision2]:
    """The consent as somebody reads it who sees the content: each provision that turns on it either
    concerns the object, or says nothing."""
    for children in _choices(root.provisions):
        plain = structs.replace(root, codes=(), data_start_ms=0, data_end_ms=0, provisions=children)
        yield plain
        if turns_on_content(root):
            yield structs.replace(plain, end_ms=NOW - 1)


def _choices(children: tuple[Provision2, ...]) -> Iterator[tuple[Provision2, ...]]:
    if not children:
        yield ()
        return
    for first in worlds(children[0]):
        for rest in _choices(children[1:]):
            yield (first, *rest)


@quick
@given(QUESTIONS, ROOTS)
def test_the_two_answers_are_the_least_and_the_most_that_any_content_can_make_of_it(
    question: Question, root: Provision2
) -> None:
    seen = [RANK[answer(world, question).type] for world in worlds(root)]
    assert RANK[answer(root, question).type] == min(seen)
    assert RANK[answer(root, question, vouched=True).type] == max(seen)


@quick
@given(QUESTIONS, CONSENTS, st.builds(standing, provisions("deny", 1), st.integers(1, 9)), HEADS)
def test_one_more_no_never_widens(
    question: Question, consents: list[StandingConsent], denial: StandingConsent, head: Decision | None
) -> None:
    if verdict(question, consents, head).rule:
        assert verdict(question, [*consents, denial], head).rule


@quick
@given(QUESTIONS, ROOTS, st.integers(NOW - 1, NOW + 1), st.integers(NOW - 1, NOW + 1), HEADS)
def test_a_narrower_period_of_a_yes_never_widens(
    question: Question, root: Provision2, start: int, end: int, head: Decision | None
) -> None:
    root = structs.replace(root, type="permit", provisions=())
    narrower = structs.replace(
        root, start_ms=max(root.start_ms, start), end_ms=min(root.end_ms, end) if root.end_ms else end
    )
    if verdict(question, [standing(root)], head).rule:
        assert verdict(question, [standing(narrower)], head).rule


@quick
@given(QUESTIONS, CONSENTS, HEADS)
def test_the_order_of_consents_and_of_provisions_does_not_matter(
    question: Question, consents: list[StandingConsent], head: Decision | None
) -> None:
    def turned(root: Provision2) -> Provision2:
        return structs.replace(root, provisions=tuple(turned(one) for one in reversed(root.provisions)))

    others = []
    for one in reversed(consents):
        assert isinstance(one.document, ConsentDocument2)
        others.append(standing(turned(one.document.provision), one.height, one.revoked))
    assert verdict(question, consents, head) == verdict(question, others, head)


@quick
@given(QUESTIONS, CONSENTS, st.integers(1, 9))
def test_a_vouch_for_the_content_never_refuses_what_was_free(
    question: Question, consents: list[StandingConsent], height: int
) -> None:
    if not verdict(question, consents, Decision("permit", height)).rule:
        assert not verdict(question, consents, Decision("permit", height, named=True)).rule


@quick
@given(QUESTIONS, ROOTS, st.booleans())
def test_the_path_leads_to_the_provision_that_decided(
    question: Question, root: Provision2, vouched: bool
) -> None:
    found = answer(root, question, vouched=vouched)
    if found.type:
        assert dict(paths(root))[found.path].type == found.type
