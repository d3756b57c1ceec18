"""The checker of what nodes said finds a second statement, also inside other messages."""

from msgspec import structs

from consensus.messages import BlockVote, Certified, Prepare, QuorumCertificate, ViewChange, Vote
from tests.realnet.testimony import Testimony

CHAIN = b"c" * 32
ONE, OTHER = b"1" * 32, b"2" * 32
PREPARE = Prepare(0, 3, 7, ONE, 1)


def test_the_same_vote_twice_is_no_conflict() -> None:
    heard = Testimony(CHAIN)
    heard.hear(PREPARE)
    heard.hear(structs.replace(PREPARE, view=4, digest=OTHER))
    heard.hear(PREPARE)
    assert not heard.conflicts and heard.messages == 3


def test_two_votes_of_one_key_for_one_slot_and_view_are_found() -> None:
    heard = Testimony(CHAIN)
    heard.hear(PREPARE)
    heard.hear(structs.replace(PREPARE, digest=OTHER))
    assert list(heard.conflicts) == [("prepare", 1, 0, 3, 7)]


def test_a_vote_in_a_certificate_counts_as_said() -> None:
    heard = Testimony(CHAIN)
    heard.hear(BlockVote(0, 9, ONE, 2))
    certificate = QuorumCertificate(0, 9, OTHER, (Vote(2, b"s"), Vote(3, b"s")))
    heard.hear(Certified(certificate, 1))
    assert list(heard.conflicts) == [("block-vote", 2, 0, 0, 9)]


def test_two_view_changes_for_one_view_are_found() -> None:
    heard = Testimony(CHAIN)
    certificate = QuorumCertificate(0, 9, OTHER, (Vote(2, b"s"),))
    heard.hear(ViewChange(0, 5, None, (), 3))
    heard.hear(ViewChange(0, 5, certificate, (), 3))
    assert list(heard.conflicts) == [("view-change", 3, 0, 5, 0)]
