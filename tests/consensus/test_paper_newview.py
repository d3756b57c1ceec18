"""OSDI 1999, section 4.4: every backup judges NEW-VIEW and what it rests on by itself."""

import pytest
from msgspec import structs

from consensus.forms import form_problem, prepared_problem
from consensus.messages import NewView, PreparedCertificate, PrePrepare, ViewChange, Vote
from consensus.parameters import Parameters
from tests.consensus.fakes import batch, members
from tests.consensus.solo import Solo, certificate, new_view, prepared, proposal, rules, sign, view_change

REF = batch(1)


EVERYBODY = members(4)


def at(sequence: int):
    return EVERYBODY


def changes(*certificates: PreparedCertificate) -> list[ViewChange]:
    return [view_change(1, 0), view_change(1, 1, None, certificates), view_change(1, 2)]


def resigned(message: NewView, **fields: object) -> NewView:
    values = {name: getattr(message, name) for name in message.__struct_fields__} | fields
    return sign(NewView(**values))


def broken_new_views() -> list[tuple[str, NewView]]:
    good = new_view(1, changes(prepared(proposal(2, (REF,)))))
    null, again = good.proposals
    other = sign(PrePrepare(0, 1, 2, again.time_ms, (batch(9),), 1))
    late = sign(PrePrepare(0, 1, 2, again.time_ms + 1, again.refs, 1))
    extra = sign(PrePrepare(0, 1, 3, 0, (), 1))
    first, second, third = good.view_changes
    return [
        ("new-view", resigned(good, proposals=(null,))),
        ("new-view", resigned(good, proposals=(null, other))),
        ("new-view", resigned(good, proposals=(null, late))),
        ("new-view", resigned(good, proposals=(null, again, extra))),
        ("new-view", resigned(good, proposals=(again, null))),
        ("new-view", resigned(good, view_changes=(first, second, view_change(2, 2)))),
        ("quorum", resigned(good, view_changes=(first, second))),
        ("quorum", resigned(good, view_changes=(first, first, second))),
        ("quorum", resigned(good, view_changes=(second, first, third))),
        ("quorum", resigned(good, view_changes=(*good.view_changes, view_change(1, 3)))),
        ("not-primary", resigned(good, replica=2)),
    ]


def broken_prepared() -> list[tuple[str, PreparedCertificate]]:
    good = prepared(proposal(1, (REF,)))
    first, second = good.prepares
    stolen = sign(PrePrepare(0, 0, 1, 5, (REF,), 2))
    return [
        ("quorum", PreparedCertificate(good.pre_prepare, (first,))),
        ("quorum", PreparedCertificate(good.pre_prepare, (first, first))),
        ("quorum", PreparedCertificate(good.pre_prepare, (second, first))),
        ("stranger", PreparedCertificate(good.pre_prepare, (Vote(0, first.signature), second))),
        ("not-primary", PreparedCertificate(stolen, good.prepares)),
    ]


@pytest.mark.parametrize(("rule", "broken"), broken_new_views())
def test_backup_rejects_a_new_view_that_does_not_follow_from_its_view_changes(rule: str, broken: NewView):
    """OSDI 1999, 4.4: a backup verifies O by a computation like the primary's."""
    assert form_problem(broken, at) == rule


def test_a_new_view_that_follows_has_a_good_form():
    """OSDI 1999, 4.4: V is valid and O is correct."""
    assert form_problem(new_view(1, changes(prepared(proposal(2, (REF,))))), at) is None


@pytest.mark.parametrize(("rule", "broken"), broken_prepared())
def test_a_prepared_certificate_is_validated_again(rule: str, broken: PreparedCertificate):
    """OSDI 1999, 4.4: each Pm holds a valid PRE-PREPARE and 2f matching PREPAREs of different backups."""
    assert prepared_problem(broken, at) == rule
    assert form_problem(view_change(1, 3, None, (broken,)), at) == rule


def test_a_prepared_certificate_of_the_view_asked_for_or_later_is_refused():
    """OSDI 1999, 4.4: P is of the views before the one that is asked for."""
    late = prepared(proposal(1, (REF,), view=1))
    assert form_problem(view_change(1, 3, None, (late,)), at) == "form"


def test_prepared_certificates_lie_above_the_stable_one_in_ascending_order():
    """OSDI 1999, 4.4: P is of requests with a number above n."""
    one, two = prepared(proposal(1, (REF,))), prepared(proposal(2, (batch(2),)))
    assert form_problem(view_change(1, 3, None, (one, two)), at) is None
    assert form_problem(view_change(1, 3, None, (two, one)), at) == "form"
    assert form_problem(view_change(1, 3, certificate(1), (one, two)), at) == "form"


def test_a_view_change_with_a_broken_stable_certificate_is_refused():
    """OSDI 1999, 4.4: C is a set of 2f + 1 valid checkpoints."""
    few = certificate(1, voters=(0, 1))
    assert form_problem(view_change(1, 3, few), at) == "quorum"


def test_a_new_view_with_a_broken_view_change_is_refused():
    """OSDI 1999, 4.4: V holds valid VIEW-CHANGEs."""
    bad = [view_change(1, 0, certificate(1, voters=(0, 1))), view_change(1, 1), view_change(1, 2)]
    assert form_problem(new_view(1, bad), at) == "quorum"


def test_the_proposals_of_a_new_view_are_signed():
    """OSDI 1999, 4.4: O holds signed PRE-PREPAREs."""
    good = new_view(1, changes(prepared(proposal(1, (REF,)))))
    [again] = good.proposals
    short = structs.replace(again, signature=b"short")
    assert form_problem(resigned(good, proposals=(short,)), at) == "form"


def test_prepared_slots_lie_within_the_largest_window():
    """OSDI 1999, 4.4: P lies between the watermarks, and no window is larger than 32."""
    for stable in (None, certificate(7)):
        low = 0 if stable is None else 7
        last, beyond = (prepared(proposal(low + width, (REF,))) for width in (32, 33))
        assert form_problem(view_change(1, 3, stable, (last,)), at) is None
        assert form_problem(view_change(1, 3, stable, (beyond,)), at) == "window"


def test_a_new_view_beyond_this_chain_s_window_is_rejected():
    """OSDI 1999, 4.4: O lies between the watermarks above min-s."""
    for width, expected in ((2, []), (3, ["window"])):
        solo = Solo(3, parameters=Parameters(window=2))
        message = new_view(1, changes(prepared(proposal(width, (REF,)))))
        assert rules(solo.receive(message)) == expected
        assert solo.replica.status().view == (0 if expected else 1)
