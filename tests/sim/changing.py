"""Changes of members in a run: real documents, signed by more than half of those who vote."""

from dataclasses import dataclass

from chainnode.ledger import view
from chainnode.ledger.epochs import Schedule
from chainnode.ledger.forms import read_change
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.state import State
from chainnode.ledger.transaction import Submission, sign_transaction
from chainnode.node.executor import Executor
from genesis.membership import ROTATE
from tests.ledger.changing import Joiner, present, proposal, signed
from tests.ledger.world import Actor, id16
from tests.sim.chain import SharedChain
from tests.sim.corpus import ROTATIONS, rotated
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
) -> tuple[Submission, int] | None:
    """The transaction and how long it is valid; None where the member has no further keys or the change is
    of no allowed form. It may come to nothing: another change waits, the member is not what it was."""
    corpus = chain.corpus
    voters = {key: one for member in corpus.numbers for key, one in corpus.keys_of(member).items()}
    sight = _Sight(chain.chain_id, executor.state, executor.schedule, voters)
    joiner = _next_keys(chain, executor, change.member) if change.kind == ROTATE else None
    if change.kind == ROTATE and joiner is None:
        return None
    valid_until_height = executor.tip.height + min(VALID_FOR, chain.parameters.validity_heights)
    document = proposal(
        sight,
        change.kind,
        change.member,
        joiner,
        **({} if joiner is None else {"request": joiner.request(f"Hospital {change.member}")}),
        delay_heights=chain.parameters.window + 1,
        valid_until_height=valid_until_height,
        fewer_faults=True,
    )
    payload = signed(sight, document, range(present(sight).n // 2 + 1))
    try:
        read_change(payload, chain.chain_id)
    except RefusedError:
        # Of no allowed form, such as the last voter's leaving: a node does not take it from its users.
        return None
    steward = Actor(f"steward {document.validators[0].number}")
    submission = sign_transaction(
        payload,
        chain_id=chain.chain_id,
        valid_until_height=valid_until_height,
        nonce=id16(f"change {nonce}"),
        signer=steward.public,
        sign=steward.sign,
        rows=(),
    )
    return submission, valid_until_height


def _next_keys(chain: SharedChain, executor: Executor, member: int) -> Joiner | None:
    record = view.member(executor.state, member)
    assert record is not None, "founding members are there for ever"
    times = list(chain.corpus.keys_of(member)).index(record.validator_key) + 1
    return rotated(member, times) if times <= ROTATIONS else None
