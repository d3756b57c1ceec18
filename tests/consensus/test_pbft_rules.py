"""The rules as functions, at the values where they turn."""

import pytest
from msgspec import structs

from consensus.bounds import ONE_REF_BYTES
from consensus.codec import encode
from consensus.parameters import Parameters
from consensus.rules import (
    clock_holds,
    fits_a_proposal,
    full_enough,
    prepared_certificate,
    view_to_join,
)
from consensus.types import Attestation, BatchRef
from tests.consensus.fakes import CHAIN, batch, members
from tests.consensus.solo import prepare, proposal

EVERYBODY = members(4)


def ref_of(size_bytes: int) -> BatchRef:
    """Whose encoded form has `size_bytes`, by one overlong signature."""
    bare = structs.replace(batch(1), attestations=(Attestation(1, bytes(256)),))
    more = size_bytes - len(encode(bare))
    return structs.replace(bare, attestations=(Attestation(1, bytes(256 + more)),))


@pytest.mark.parametrize(("proposed_ms", "holds"), [(899, False), (900, True), (1_100, True), (1_101, False)])
def test_a_clock_may_be_off_by_the_skew_and_no_further(proposed_ms: int, holds: bool):
    assert clock_holds(proposed_ms, 1_000, 100) is holds


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_a_batch_as_large_as_a_block_fits_a_proposal(more: int, fits: bool):
    parameters = Parameters()
    assert fits_a_proposal(batch(1, size_bytes=parameters.block_bytes + more), parameters) is fits


@pytest.mark.parametrize(("more", "fits"), [(0, True), (1, False)])
def test_a_ref_with_its_attestations_has_a_size_that_it_may_reach(more: int, fits: bool):
    ref = ref_of(ONE_REF_BYTES + more)
    assert len(encode(ref)) == ONE_REF_BYTES + more
    assert fits_a_proposal(ref, Parameters()) is fits


def test_a_replica_s_own_wish_is_not_one_of_the_f_and_one_that_make_it_join_a_view():
    """OSDI 1999, 4.5.2: f + 1 others."""
    assert view_to_join({1: 5, 2: 5}, 0, 1, EVERYBODY) is None
    assert view_to_join({1: 4, 2: 5, 3: 6}, 0, 1, EVERYBODY) == 5


def test_the_primary_s_prepare_is_no_vote_beside_its_pre_prepare():
    """OSDI 1999, 4.2: prepared takes 2f PREPAREs from different backups."""
    first = proposal(1, (batch(1),))
    votes = {replica: prepare(first, replica) for replica in range(4)}
    slot = first.digest(CHAIN)
    assert prepared_certificate(first, slot, {0: votes[0], 1: votes[1]}, EVERYBODY) is None
    certificate = prepared_certificate(first, slot, votes, EVERYBODY)
    assert certificate is not None and [vote.replica for vote in certificate.prepares] == [1, 2]


@pytest.mark.parametrize(("waiting", "enough"), [(0, False), (24, False), (25, True), (26, True)])
def test_a_quarter_of_the_window_in_flight_asks_for_a_quarter_of_a_block(waiting: int, enough: bool):
    assert full_enough(waiting, 100, 4, 16) is enough
    assert full_enough(waiting, 100, 0, 16)
