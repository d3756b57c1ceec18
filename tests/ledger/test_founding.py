"""The state at height 0, from the genesis document."""

import pytest

from chainnode.ledger import keys, view
from chainnode.ledger.founding import Founding, founding_of, genesis_state
from chainnode.ledger.proof import verify_state_proof
from chainnode.ledger.records import HolderRecord
from chainnode.ledger.state import State
from genesis.document import parse_genesis
from tests.genesis.consortium import consortium, unsigned_file
from tests.ledger.world import Chain


def test_the_genesis_document_gives_members_registrars_and_voters() -> None:
    genesis = parse_genesis(unsigned_file(consortium()), require_signatures=False)
    founding = founding_of(genesis)
    assert founding.chain_id == genesis.chain_id
    assert founding.replica_set() == genesis.replica_set()
    state = State({}.get)
    state.update(genesis_state(founding), {})
    for member in genesis.members:
        record = view.member(state, member.number)
        assert record is not None
        assert (record.id, record.steward_key) == (member.id, member.steward_key)
        assert view.holder(state, member.validator_key) == HolderRecord("validator", member.number, b"")
        assert view.holder(state, member.steward_key) == HolderRecord("steward", member.number, b"")
    for registrar in genesis.registrars:
        found = view.registrar(state, registrar.id)
        assert found is not None and found.operator == registrar.operator
        holder = view.holder(state, registrar.key)
        assert holder == HolderRecord("registrar", 0, registrar.id.encode())


def test_the_state_of_genesis_is_provable_and_the_same_everywhere() -> None:
    first, second = Chain(), Chain()
    assert first.headers == second.headers and first.backend == second.backend
    key = keys.member(2)
    proof = first.state.prove(key)
    assert verify_state_proof(first.headers[0].state_root, key, first.state.get(key), proof)


def test_one_key_with_two_holders_in_genesis_is_a_fault_of_ours() -> None:
    good = Chain().founding
    twice = Founding(good.chain_id, (good.members[0], good.members[0]), good.registrars)
    with pytest.raises(AssertionError):
        genesis_state(twice)
