"""Changes of members in a run: real documents, signed by more than half of those who vote."""

from dataclasses import dataclass

from chainnode.ledger.epochs import Schedule
from chainnode.ledger.state import State
from chainnode.ledger.transaction import Submission, sign_transaction
from chainnode.node.executor import Executor
from tests.ledger.changing import present, proposal, signed
from tests.ledger.world import Actor, id16
from tests.sim.chain import SharedChain
from tests.sim.scenario import Change

VALID_FOR = 100


@dataclass(frozen=True)
class _Sight:
    """The chain as one node's state has it, for the helpers that make the documents."""

    chain_id: bytes
    state: State
    schedule: Schedule
    voters: dict[bytes, Actor]


def signed_change(
    chain: SharedChain, executor: Executor, change: Change, nonce: int
) -> tuple[Submission, int]:
    """The transaction and how long it is valid. It may come to nothing: another change waits, or the member
    is not what it is thought to be."""
    actors = chain.corpus.validators
    sight = _Sight(
        chain.chain_id, executor.state, executor.schedule, {actor.public: actor for actor in actors}
    )
    valid_until_height = executor.tip.height + min(VALID_FOR, chain.parameters.validity_heights)
    document = proposal(
        sight,
        change.kind,
        change.member,
        delay_heights=chain.parameters.window + 1,
        valid_until_height=valid_until_height,
        fewer_faults=True,
    )
    payload = signed(sight, document, range(present(sight).n // 2 + 1))
    signer = actors[document.validators[0].number]
    submission = sign_transaction(
        payload,
        chain_id=chain.chain_id,
        valid_until_height=valid_until_height,
        nonce=id16(f"change {nonce}"),
        signer=signer.public,
        sign=signer.sign,
        rows=(),
    )
    return submission, valid_until_height
