"""Views that were left, on chain: who may show it, what proves it, and who leads from when on."""

import pytest
from msgspec import structs

from chainnode.ledger import view
from chainnode.ledger.networkrecords import PassedOver
from chainnode.ledger.passing import Rotation, first_turn
from chainnode.ledger.payloads import CommitVote, ReportLeftViews
from consensus.bounds import REACH_WINDOWS
from consensus.messages import Commit, signed_bytes
from consensus.parameters import Parameters
from consensus.types import TURN_VIEWS
from genesis.membership import ADMIT, PROMOTE
from tests.ledger.changing import DELAY, Joiner, make
from tests.ledger.scene import Scene
from tests.ledger.test_equivocation_reports import form_rule, state_rule
from tests.ledger.world import Chain, digest32

TURN, TERM, WINDOW = 8, 3, 2
PARAMETERS = Parameters(window=WINDOW, turn_heights=TURN, pass_over_turns=TERM)
SETTLED = REACH_WINDOWS * WINDOW


def chain_of(members: int = 4, parameters: Parameters = PARAMETERS) -> Chain:
    chain = Chain(members=members)
    chain.parameters = parameters
    return chain


def at_height(chain: Chain, height: int) -> Chain:
    """The next block is the one at `height`."""
    while chain.height < height - 1:
        chain.commit()
    return chain


def shown(chain: Chain, in_view: int, sequence: int, voters=(0, 1, 2), epoch: int = 0) -> ReportLeftViews:
    """A quorum's real COMMITs."""
    slot = digest32("slot")
    votes = []
    for one in voters:
        actor = chain.validators[one]
        signed = signed_bytes(Commit(epoch, in_view, sequence, slot, one), chain.chain_id)
        votes.append(CommitVote(one, actor.public, actor.sign(signed)))
    return ReportLeftViews(epoch, in_view, sequence, slot, tuple(votes))


def passed_over(chain: Chain, sequence: int) -> tuple[int, ...]:
    return Rotation(chain.schedule, chain.state, chain.parameters)(sequence).passed_over


def reported(chain: Chain, payload: ReportLeftViews, reporter: int = 1) -> list[str]:
    assert form_rule(chain, payload) == ""
    return chain.commit(chain.submission(chain.validators[reporter], payload)).codes()


def test_who_led_the_turns_first_view_is_passed_over_for_the_turns_that_genesis_says():
    chain = at_height(chain_of(), 3)
    block = chain.commit(chain.submission(chain.validators[1], shown(chain, 1, 2)))
    assert block.codes() == [""] and block.kinds() == ["passed-over"]
    assert dict(block.execution.events[0].data) == {
        "members": "0",
        "view": "1",
        "from_height": str(TURN + 1),
        "until_height": str((1 + TERM) * TURN),
    }
    assert passed_over(chain, TURN) == (), "the turn that runs is settled"
    assert passed_over(chain, TURN + 1) == passed_over(chain, (1 + TERM) * TURN) == (0,)
    assert passed_over(chain, (1 + TERM) * TURN + 1) == ()


@pytest.mark.parametrize("height", range(1, 3 * TURN))
def test_what_holds_in_a_turn_is_settled_before_anybody_can_vote_in_it(height: int):
    first_sequence = first_turn(PARAMETERS, height) * TURN + 1
    # Executed here at `height`; a replica whose certificates end one below it stores votes up to this.
    assert height - 1 + SETTLED < first_sequence
    assert first_sequence - TURN <= height + SETTLED + 1, "no turn later than needed"


def test_a_member_that_is_passed_over_leads_no_turn_and_the_others_share_them():
    chain = at_height(chain_of(), 3)
    assert reported(chain, shown(chain, 1, 2)) == [""]
    sets = Rotation(chain.schedule, chain.state, chain.parameters)
    leaders = [sets(turn * TURN + 1).primary(turn * TURN_VIEWS) for turn in range(6)]
    assert leaders == [0, 1, 2, 3, 0, 1]
    chain = at_height(chain_of(), TURN + 3)
    assert reported(chain, shown(chain, TURN_VIEWS + 1, TURN + 2)) == [""]
    sets = Rotation(chain.schedule, chain.state, chain.parameters)
    assert [sets(turn * TURN + 1).primary(turn * TURN_VIEWS) for turn in range(7)] == [0, 1, 2, 3, 0, 1, 2]
    in_its_turn = [sets(5 * TURN).primary(4 * TURN_VIEWS + step) for step in range(4)]
    assert in_its_turn == [0, 2, 3, 0], "after a view change neither"


def test_f_members_at_most_are_passed_over_the_latest_first():
    chain = at_height(chain_of(), 3)
    assert reported(chain, shown(chain, 3, 2)) == [""]
    assert passed_over(chain, TURN + 1) == (0,), "of three that were left, f: the turn's own first"
    at_height(chain, TURN + 2)
    assert reported(chain, shown(chain, TURN_VIEWS + 1, TURN + 1)) == [""]
    assert passed_over(chain, 2 * TURN + 1) == (1,)
    assert passed_over(chain, 2 * TURN) == (0,), "as before in the turn that was settled"
    seven = at_height(chain_of(7), 3)
    assert reported(seven, shown(seven, 3, 2, range(5))) == [""]
    assert passed_over(seven, TURN + 1) == (0, 1)


def test_a_member_that_is_left_again_is_passed_over_for_longer():
    chain = at_height(chain_of(parameters=structs.replace(PARAMETERS, pass_over_turns=1)), 3)
    assert reported(chain, shown(chain, 1, 2)) == [""]
    at_height(chain, 4 * TURN + 2)
    assert passed_over(chain, 2 * TURN + 1) == (), "its term is over"
    assert reported(chain, shown(chain, 4 * TURN_VIEWS + 1, 4 * TURN + 1)) == [""]
    assert passed_over(chain, 5 * TURN + 1) == (0,)
    record = view.passed_over(chain.state)
    assert record is not None and record.members == (PassedOver(0, 5, 6),), "what is over is forgotten"


def test_a_term_that_runs_is_made_longer_in_its_place():
    chain = at_height(chain_of(), 3)
    assert reported(chain, shown(chain, 1, 2)) == [""]
    at_height(chain, TURN + 2)
    assert reported(chain, shown(chain, TURN_VIEWS + 1, TURN + 1)) == [""]
    at_height(chain, 2 * TURN + 2)
    # Members 2 and then 0, who leads where 1 is passed over, were left.
    assert reported(chain, shown(chain, 2 * TURN_VIEWS + 2, 2 * TURN + 1)) == [""]
    record = view.passed_over(chain.state)
    assert record is not None
    assert record.members == (PassedOver(0, 1, 4), PassedOver(1, 2, 5), PassedOver(2, 3, 6))
    at_height(chain, 4 * TURN + 2)
    assert reported(chain, shown(chain, 4 * TURN_VIEWS + 1, 4 * TURN + 1)) == [""]
    record = view.passed_over(chain.state)
    assert record is not None and record.members == (
        PassedOver(0, 1, 4),
        PassedOver(1, 2, 5),
        PassedOver(2, 3, 6),
        PassedOver(0, 5, 8),
    )


def test_a_second_report_of_the_last_turn_is_judged_by_who_led_in_it():
    chain = at_height(chain_of(7), 3)
    quorum = range(5)
    assert reported(chain, shown(chain, 1, 2, quorum)) == [""]
    at_height(chain, 4 * TURN + 2)
    assert passed_over(chain, 3 * TURN + 1) == (0,), "its last turn"
    assert reported(chain, shown(chain, 3 * TURN_VIEWS + 1, 3 * TURN + 1, quorum)) == [""]
    # Six members led in turn 3, from member 3 on: view 6 is 3's again, and of the first two 4 was left.
    second = shown(chain, 3 * TURN_VIEWS + 6, 3 * TURN + 2, quorum)
    block = chain.commit(chain.submission(chain.validators[1], second))
    assert dict(block.execution.events[0].data)["members"] == "4"


def test_a_view_is_news_once():
    chain = at_height(chain_of(), 3)
    payload = shown(chain, 1, 2)
    codes = chain.commit(*(chain.submission(chain.validators[one], payload) for one in (1, 2))).codes()
    assert codes == ["", "views-not-left"]
    assert state_rule(chain, chain.validators[2], shown(chain, 2, 3)) == "", "a later view of the turn is"


@pytest.mark.parametrize(
    ("height", "in_view", "sequence", "rule"),
    [
        (3, TURN_VIEWS, TURN + 1, "views-not-left"),
        (3, TURN_VIEWS + 1, TURN + 1, "views-not-left"),
        (3 * TURN, 1, 2, "views-not-left"),
        (2 * TURN, 1, 2, ""),
        (TURN + 3, 1, TURN + 1, "not-committed"),
        (TURN + 3, TURN_VIEWS + 1, 2, "not-committed"),
    ],
)
def test_only_the_present_turn_and_the_last_one_count_and_a_view_goes_with_its_slot(
    height: int, in_view: int, sequence: int, rule: str
):
    chain = at_height(chain_of(), height)
    assert state_rule(chain, chain.validators[1], shown(chain, in_view, sequence)) == rule


@pytest.mark.parametrize(
    "parameters",
    [structs.replace(PARAMETERS, pass_over_turns=0), structs.replace(PARAMETERS, turn_heights=0)],
)
def test_where_genesis_does_not_say_so_nobody_is_passed_over(parameters: Parameters):
    chain = at_height(chain_of(parameters=parameters), 3)
    assert state_rule(chain, chain.validators[1], shown(chain, 1, 2)) == "views-not-left"


def test_too_few_votes_votes_under_other_keys_and_another_epochs_show_nothing():
    chain = at_height(chain_of(), 3)
    few = shown(chain, 1, 2, voters=(0, 1))
    assert state_rule(chain, chain.validators[1], few) == "not-committed"
    strange = shown(chain, 1, 2)
    foreign = chain.stewards[0]
    signed = signed_bytes(Commit(0, 1, 2, strange.digest, 0), chain.chain_id)
    forged = (CommitVote(0, foreign.public, foreign.sign(signed)), *strange.votes[1:])
    payload = structs.replace(strange, votes=forged)
    assert form_rule(chain, payload) == "", "its signatures hold, under whose key is the state's to say"
    assert state_rule(chain, chain.validators[1], payload) == "not-committed"
    assert state_rule(chain, chain.validators[1], shown(chain, 1, 2, epoch=1)) == "not-committed"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"digest": digest32("another slot")}, "not-committed"),
        ({"view": 2}, "not-committed"),
        ({"sequence": 3}, "not-committed"),
        ({"epoch": 1}, "not-committed"),
        ({"view": 0}, "malformed"),
        ({"sequence": 0}, "malformed"),
        ({"digest": b"short"}, "malformed"),
        ({"votes": ()}, "malformed"),
    ],
)
def test_what_the_votes_did_not_sign_is_refused_by_everybody_who_takes_the_batch(change: dict, rule: str):
    chain = at_height(chain_of(), 3)
    assert form_rule(chain, structs.replace(shown(chain, 1, 2), **change)) == rule


def test_votes_stand_once_each_in_their_order():
    chain = at_height(chain_of(), 3)
    payload = shown(chain, 1, 2)
    one, two, three = payload.votes
    assert form_rule(chain, structs.replace(payload, votes=(two, one, three))) == "malformed"
    assert form_rule(chain, structs.replace(payload, votes=(one, one, two))) == "duplicate"


def test_only_a_members_node_reports():
    scene = Scene(Chain())
    chain = scene.chain
    chain.parameters = PARAMETERS
    at_height(chain, TURN * (chain.height // TURN + 1) + 3)
    turn = chain.height // TURN
    payload = shown(chain, turn * TURN_VIEWS + 1, turn * TURN + 1)
    assert state_rule(chain, chain.stewards[0], payload) == "not-permitted"
    assert state_rule(chain, Scene(Chain(members=5)).chain.validators[4], payload) == "unknown-signer"
    assert state_rule(chain, chain.validators[0], payload) == ""


def test_the_sets_digest_is_that_of_its_voters_whoever_leads():
    chain = at_height(chain_of(), 3)
    assert reported(chain, shown(chain, 1, 2)) == [""]
    sets = Rotation(chain.schedule, chain.state, chain.parameters)
    assert sets(TURN + 1).passed_over and not sets(TURN).passed_over
    assert sets(TURN + 1).digest() == sets(TURN).digest() == chain.founding.replica_set().digest()


def test_an_epoch_that_begins_has_its_own_voters_and_the_same_who_are_passed_over():
    chain = at_height(chain_of(), 3)
    assert reported(chain, shown(chain, 1, 2)) == [""]
    joiner = Joiner("hospital-x")
    make(chain, ADMIT, 4, joiner)
    make(chain, PROMOTE, 4, joiner, delay_heights=DELAY)
    begins = chain.schedule.latest.first_height
    chain.parameters = PARAMETERS
    sets = Rotation(chain.schedule, chain.state, chain.parameters)
    assert sets(begins).n == 5 and sets(begins).epoch == 1
    assert passed_over(chain, begins) == (0,) and begins <= (1 + TERM) * TURN
