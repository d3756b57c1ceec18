"""Catch-up, and what makes a fetched block believed."""

import pytest
from msgspec import structs

from chainnode.ledger.transaction import BatchBody, batch_ref
from chainnode.node.catchup import ANSWER_TIMEOUT_MS, MAX_HELD, SHUN_MS, Ask, CatchUp
from chainnode.node.certified import CertifiedBlock, decode_blocks
from consensus.codec import encode
from consensus.messages import Vote
from consensus.types import ReplicaSet
from tests.ledger.world import Chain, verify


@pytest.fixture(scope="module")
def chain() -> Chain:
    chain = Chain()
    for _ in range(3):
        chain.commit()
    return chain


def block_at(chain: Chain, height: int) -> CertifiedBlock:
    """The block that Chain.commit made of no transactions."""
    body = BatchBody(0, height, height + 10, ())
    header = chain.headers[height]
    return CertifiedBlock(header, (batch_ref(body, encode(body)),), chain.certificate(header))


def believe(chain: Chain, *data: bytes) -> tuple[list[CertifiedBlock], str]:
    def sets(sequence: int) -> ReplicaSet:
        assert sequence > 0
        return chain.founding.replica_set()

    return decode_blocks(data, chain.chain_id, sets, verify, 16)


def test_a_certified_block_proves_itself(chain: Chain) -> None:
    [block], rule = believe(chain, encode(block_at(chain, 2)))
    assert not rule and block.header == chain.headers[2]
    assert block.decided().sequence == 2


@pytest.mark.parametrize("rule", ["quorum", "signature", "another-header", "refs", "other-chain", "order"])
def test_a_block_that_its_certificate_does_not_prove_is_refused(chain: Chain, rule: str) -> None:
    block = block_at(chain, 2)
    assert block.certificate is not None
    votes = block.certificate.votes
    broken = {
        "quorum": structs.replace(block, certificate=structs.replace(block.certificate, votes=votes[:2])),
        "signature": structs.replace(
            block,
            certificate=structs.replace(
                block.certificate, votes=(Vote(votes[0].replica, bytes(64)), *votes[1:])
            ),
        ),
        "another-header": structs.replace(block, header=chain.headers[3]),
        "refs": structs.replace(block, refs=()),
        "other-chain": structs.replace(block, header=structs.replace(block.header, chain_id=bytes(32))),
        "order": structs.replace(
            block, certificate=structs.replace(block.certificate, votes=tuple(reversed(votes)))
        ),
    }[rule]
    blocks, found = believe(chain, encode(broken))
    assert not blocks and found


@pytest.mark.parametrize("height", [-(2**63), -1, 0, 4, 2**63, 2**64 - 1])
@pytest.mark.parametrize("epoch", [-1, 0, 2**63])
def test_numbers_that_no_block_has_are_refused(chain: Chain, height: int, epoch: int) -> None:
    """Who votes is asked for real heights alone: a negative one is a fault of ours there."""
    block = block_at(chain, 2)
    assert block.certificate is not None
    header = structs.replace(block.header, height=height, epoch=epoch)
    certificate = structs.replace(block.certificate, height=height, epoch=epoch, header_hash=header.hash())
    blocks, rule = believe(chain, encode(CertifiedBlock(header, block.refs, certificate)))
    assert not blocks and rule


def test_arbitrary_bytes_are_refused_with_a_rule(chain: Chain) -> None:
    for data in (b"", b"\x93", encode(("x",)), encode(block_at(chain, 1)) + b"\0"):
        blocks, rule = believe(chain, data)
        assert not blocks and rule


def test_the_peer_that_claims_most_is_asked_once_until_it_answers() -> None:
    catchup = CatchUp()
    catchup.heard(1, 5)
    catchup.heard(2, 9)
    assert catchup.ask(3, 0) == Ask(2, 4, 64)
    assert catchup.ask(3, 1) is None


def test_nobody_is_asked_where_nobody_claims_more() -> None:
    catchup = CatchUp()
    catchup.heard(1, 3)
    assert catchup.ask(3, 0) is None


def test_a_silent_peer_is_passed_over_for_a_while() -> None:
    catchup = CatchUp()
    catchup.heard(1, 5)
    catchup.heard(2, 9)
    catchup.ask(0, 0)
    second = catchup.ask(0, ANSWER_TIMEOUT_MS)
    assert second is not None and second.peer == 1
    catchup.answered(1, [], ANSWER_TIMEOUT_MS)
    assert catchup.ask(0, ANSWER_TIMEOUT_MS + 1) is None
    again = catchup.ask(0, ANSWER_TIMEOUT_MS + SHUN_MS)
    assert again is not None and again.peer == 2


def test_blocks_that_were_not_asked_for_are_not_kept(chain: Chain) -> None:
    catchup = CatchUp()
    catchup.answered(1, [block_at(chain, 1)], 0)
    assert catchup.next_run(0) == ()
    catchup.heard(1, 3)
    catchup.ask(0, 0)
    catchup.answered(2, [block_at(chain, 1)], 0)
    assert catchup.next_run(0) == ()


def test_proven_blocks_that_begin_elsewhere_are_no_answer(chain: Chain) -> None:
    """Else one peer could feed this node with blocks from far ahead, and stall it for ever."""
    catchup = CatchUp()
    catchup.heard(1, 3)
    catchup.heard(2, 3)
    catchup.ask(0, 0)
    catchup.answered(1, [block_at(chain, 2), block_at(chain, 3)], 0)
    assert not catchup.held
    second = catchup.ask(0, 0)
    assert second is not None and second.peer == 2


def test_answered_blocks_are_installed_in_order_and_forgotten_below_the_height(chain: Chain) -> None:
    catchup = CatchUp()
    catchup.heard(1, 3)
    catchup.ask(0, 0)
    catchup.answered(1, [block_at(chain, height) for height in (1, 2, 3)], 0)
    [first] = catchup.next_run(0)
    assert first.header.height == 1
    assert catchup.ask(2, 0) is None, "nothing is missing below what is claimed"
    assert sorted(catchup.held) == [3]


def test_an_answer_is_expected_of_the_peer_that_was_asked_alone() -> None:
    catchup = CatchUp()
    catchup.heard(1, 5)
    catchup.heard(2, 4)
    assert not catchup.expects(1)
    catchup.ask(0, 0)
    assert catchup.expects(1) and not catchup.expects(2)
    catchup.answered(1, [], 0)
    assert not catchup.expects(1)


def test_no_more_blocks_are_held_than_the_bound(chain: Chain) -> None:
    catchup = CatchUp()
    catchup.heard(1, 10_000)
    block = block_at(chain, 1)
    catchup.held = {height: block for height in range(1, MAX_HELD + 1)}
    assert catchup.ask(0, 0) is None


def test_a_peer_that_went_away_is_neither_asked_nor_waited_for() -> None:
    catchup = CatchUp()
    catchup.heard(1, 5)
    catchup.ask(0, 0)
    catchup.gone(1)
    assert catchup.ask(0, 1) is None
    catchup.heard(2, 4)
    asked = catchup.ask(0, 1)
    assert asked is not None and asked.peer == 2
