"""Epochs at a node: who votes follows from the executed blocks, and old epochs stay provable."""

from chainnode.ledger.epochs import EpochStep, verify_proof_of_epochs
from chainnode.ledger.payloads import Barrier
from chainnode.node.certified import LATER_EPOCH, CertifiedBlock, decode_blocks, encode_blocks
from chainnode.node.epochs import EpochSteps
from chainnode.node.executor import Executor
from consensus.codec import encode
from consensus.ready import Decided
from genesis.membership import ADMIT, PROMOTE, ROTATE
from tests.ledger.changing import DELAY, Joiner, present, proposal, signed
from tests.ledger.world import GENESIS_MS, Chain, verify
from tests.node.lone import Lone

FIFTH = Joiner("hospital-4")
ACTIVE = 3 + DELAY
"""The first height of epoch 1: admitted at 1, promoted at 2, DELAY heights later."""


class Changing(Lone):
    """A node's executor beside a Chain that runs the same blocks, each certified."""

    def block(self, *payloads) -> None:
        submissions = [self.chain.submission(self.chain.stewards[0], one) for one in payloads]
        if not submissions:
            submissions = [self.chain.submission(self.chain.validators[2], Barrier(2))]
        ref = self.stored(*submissions)
        height = self.executor.tip.height + 1
        epoch = self.executor.replica_sets(height).epoch
        header = self.executor.execute(Decided(height, epoch, 0, GENESIS_MS + 1_000 * height, (ref,)))
        self.chain.commit(*submissions, time_ms=header.time_ms)
        self.chain.headers[-1] = header
        self.executor.certify(self.chain.certificate(header))

    def change(self, kind: str, member: int, joiner: Joiner | None = None) -> None:
        if joiner is not None:
            self.chain.voters[joiner.validator.public] = joiner.validator
        signers = range(present(self.chain).n // 2 + 1)
        self.block(signed(self.chain, proposal(self.chain, kind, member, joiner), signers))

    def on(self, height: int) -> None:
        while self.executor.tip.height < height:
            self.block()


def grown() -> Changing:
    """A fifth hospital votes from ACTIVE on; the node has gone a few blocks further."""
    lone = Changing()
    lone.change(ADMIT, 4, FIFTH)
    lone.block()
    lone.change(PROMOTE, 4)
    lone.on(ACTIVE + 2)
    return lone


def test_a_nodes_sets_follow_from_the_blocks_it_executed() -> None:
    lone = grown()
    sets = lone.executor.replica_sets
    assert (sets(ACTIVE - 1).n, sets(ACTIVE).n) == (4, 5)
    assert lone.store.header(ACTIVE - 1).next_validators == sets(ACTIVE).digest()
    assert lone.store.header(ACTIVE).epoch == 1 == lone.executor.context(ACTIVE, 0).epoch
    again = lone.opened()
    assert again.replica_sets(ACTIVE).n == 5, "after a restart too"


def test_batches_count_under_the_keys_of_the_epochs_in_which_they_can_have_been_made() -> None:
    lone = grown()
    executor: Executor = lone.executor
    assert executor.origin_keys(4) == (FIFTH.validator.public,)
    assert executor.origin_keys(9) == ()
    fresh = Joiner("hospital-1", " anew", steward=lone.chain.stewards[1])
    lone.change(ROTATE, 1, fresh)
    old, new = lone.chain.validators[1].public, fresh.validator.public
    assert executor.origin_keys(1) == (new, old)


def test_steps_are_kept_once_the_epochs_last_block_is_certified_and_prove_it() -> None:
    lone = grown()
    steps = EpochSteps(lone.store, lambda: lone.executor.schedule)
    steps.certified(ACTIVE - 2)
    assert steps.proof(0) == () and steps.proof(1) is None
    steps.certified(ACTIVE - 1)
    proof = steps.proof(1)
    assert proof is not None and steps.proof(2) is None
    walked = verify_proof_of_epochs(proof, lone.chain.founding, verify=verify)
    assert walked.latest.voters == lone.executor.replica_sets(ACTIVE)
    lone.store._certificates.clear()
    again = EpochSteps(lone.store, lambda: lone.executor.schedule)
    again.certified(ACTIVE + 2)
    assert again.proof(1) == proof, "it needs the old blocks no more"


def test_steps_that_came_with_a_snapshot_are_kept_like_own_ones() -> None:
    lone = grown()
    steps = EpochSteps(lone.store, lambda: lone.executor.schedule)
    steps.certified(ACTIVE + 2)
    proof = steps.proof(1)
    other = EpochSteps(Lone().store, lambda: lone.executor.schedule)
    other.keep(proof)
    assert other.proof(1) == proof and isinstance(proof[0], EpochStep)


def served(lone: Changing, without: frozenset[int] = frozenset()) -> tuple[bytes, ...]:
    blocks = [lone.store.block(height) for height in range(1, lone.executor.tip.height + 1)]
    return tuple(
        encode(
            CertifiedBlock(one.header, one.refs, None if one.header.height in without else one.certificate)
        )
        for one in blocks
    )


def decoded(lone: Changing, data: tuple[bytes, ...], sets) -> tuple[list[int], str]:
    blocks, rule = decode_blocks(data, lone.chain.chain_id, sets, verify, 16)
    return [block.header.height for block in blocks], rule


def test_blocks_of_an_epoch_that_is_not_known_yet_are_no_fault_of_the_peers() -> None:
    lone = grown()
    newcomer = Chain().founding.replica_set()
    heights, rule = decoded(lone, served(lone), lambda _: newcomer)
    assert (heights[-1], rule) == (ACTIVE - 1, LATER_EPOCH)
    heights, rule = decoded(lone, served(lone), lone.executor.replica_sets)
    assert (heights[-1], rule) == (ACTIVE + 2, "")


def test_an_epochs_last_block_is_taken_with_its_own_certificate_or_not_at_all() -> None:
    lone = grown()
    within = served(lone, frozenset({ACTIVE - 2, ACTIVE}))
    assert decoded(lone, within, lone.executor.replica_sets)[1] == ""
    border = served(lone, frozenset({ACTIVE - 1}))
    assert decoded(lone, border, lone.executor.replica_sets) == (
        list(range(1, ACTIVE - 1)), "no-certificate",
    )  # fmt: skip


def test_an_epochs_last_block_is_served_with_its_own_certificate_or_not_at_all() -> None:
    lone = grown()
    whole = encode_blocks(lone.store.block, range(1, ACTIVE + 3), 1 << 20)
    assert len(whole) == ACTIVE + 2
    del lone.store._certificates[ACTIVE - 1]
    assert len(encode_blocks(lone.store.block, range(1, ACTIVE + 3), 1 << 20)) == ACTIVE - 2
