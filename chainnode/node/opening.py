"""Opening what a node has on its machine: lock, keys, chain so far, pool. Everything, or nothing."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from chainnode.ledger.founding import founding_of
from chainnode.ledger.header import genesis_header
from chainnode.node.certified import certificate_fault
from chainnode.node.config import NodeConfig
from chainnode.node.errors import NOD_NOT_TRUSTEE
from chainnode.node.executor import Executor
from chainnode.node.identity import admitted_member, founding_member, member_on_chain, not_member
from chainnode.node.members import Members, OwnKey
from chainnode.node.passphrase import open_keys, open_trustee
from chainnode.node.peerlist import check_peers
from chainnode.node.takeover import settle_chain_folder
from chainnode.node.verifier import Verifier
from chainnode.pool.pool import Pool
from chainnode.store.chain import ChainStore
from chainnode.store.lock import FolderLock
from chainnode.store.rows import RowStore
from chainnode.store.verify import verify_chain
from chainnode.store.votelog import VoteLog
from chainnode.vault.keystore import NodeKeys, TrusteeKeys
from consensus.messages import QuorumCertificate
from consensus.types import ReplicaSet
from genesis.codes import GEN_UNREADABLE
from genesis.document import Genesis, Member, load_genesis
from genesis.errors import OperatorError, quoted
from genesis.private import private_files

VERIFY_AT_START = 1_000
"""The last blocks are looked over at every start; the certificates vouch for those below."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What is on this machine: keys, folders, the chain so far."""

    config: NodeConfig
    genesis: Genesis
    genesis_file: bytes
    member: Member
    members: Members
    keys: NodeKeys
    all_keys: tuple[NodeKeys, ...]
    store: ChainStore
    rows: RowStore
    votes: VoteLog
    vote_records: list[bytes]
    pool: Pool
    executor: Executor
    own_key: OwnKey
    verify: Verifier
    trustee: tuple[int, TrusteeKeys] | None
    """The seat (from 1) and the keys of the trustee that this node hosts."""

    def replica_sets(self, sequence: int) -> ReplicaSet:
        """Who votes at `sequence`, as far as the executed blocks say."""
        return self.executor.replica_sets(sequence)


def occupy(home: Path, closing: ExitStack) -> None:
    """Until `closing` ends the home is this process's alone, and what it makes there the owner's.

    Raises OperatorError STO-01, STO-03, STO-04, STO-09."""
    closing.callback(FolderLock(home).release)
    closing.enter_context(private_files())


def open_node(config: NodeConfig, closing: ExitStack) -> Opened:
    """Open everything, or nothing. Raises OperatorError."""
    config.home.mkdir(parents=True, exist_ok=True)
    occupy(config.home, closing)
    genesis = _founded(config)
    keys = open_keys(config, config.keystore_file)
    settle_chain_folder(config.store_folder, genesis.chain_id)
    all_keys = (keys, *_next_keys(config))
    held = [one.validator.public for one in all_keys]
    member = founding_member(genesis, held) or admitted_member(config, genesis, held)
    if not (config.store_folder / "chain").exists():
        # Before anything is written: no chain is here that could tell of others.
        if member is None:
            raise not_member(config)
        check_peers(config, list(dict.fromkeys([*(one.id for one in genesis.members), member.id])))
    store = ChainStore(config.store_folder, genesis.chain_id)
    closing.callback(store.close)
    rows = RowStore(config.store_folder / "rows", genesis.chain_id)
    closing.callback(rows.close)
    pool = Pool.open(config.pool.folder, config.pool.objects_url or None)
    executor = Executor(
        store=store,
        rows=rows,
        founding=founding_of(genesis),
        created_ms=genesis.created_ms,
        parameters=genesis.parameters,
    )
    member = member or member_on_chain(executor.state, genesis, held)
    if member is None:
        raise not_member(config)
    members = Members(genesis, executor.state, member)
    check_peers(config, [one.id for one in members.all()])
    trustee = _trustee(config, genesis, member)
    # A chain without the votes that made it is a folder that was put together from two times.
    votes, records, _ = VoteLog.open(
        config.store_folder / "votes", genesis.chain_id, must_exist=executor.tip.height > 0
    )
    closing.callback(votes.close)
    opened = Opened(
        config,
        genesis,
        config.genesis_file.read_bytes(),
        member,
        members,
        keys,
        all_keys,
        store,
        rows,
        votes,
        records,
        pool,
        executor,
        OwnKey(
            [one.validator for one in all_keys], member.number, executor.state, lambda: executor.tip.height
        ),
        Verifier(),
        trustee,
    )
    _look_over(opened)
    return opened


def _next_keys(config: NodeConfig) -> tuple[NodeKeys, ...]:
    """Keys that wait for a rotation. Raises OperatorError KEY-xx."""
    file = config.next_keystore_file
    return () if file is None else (open_keys(config, file),)


def _trustee(config: NodeConfig, genesis: Genesis, member: Member) -> tuple[int, TrusteeKeys] | None:
    """Raises OperatorError NOD-12, KEY-xx."""
    if config.trustee_file is None:
        return None
    keys = open_trustee(config, config.trustee_file)
    for seat, one in enumerate(genesis.trustees, start=1):
        if one.key == keys.signing.public and one.operator == member.id:
            return seat, keys
    raise OperatorError(
        NOD_NOT_TRUSTEE,
        f"{config.trustee_file} holds no key of a trustee that the genesis document says {member.id} runs",
        unchanged="nothing was started",
        next_step=f"name the right file as trustee.key_file in {quoted(config.file)}, or take the line out; "
        f"the trustees are in: chainnode genesis show {quoted(config.genesis_file)}",
    )


def _founded(config: NodeConfig) -> Genesis:
    """The signed document. Raises OperatorError GEN-01 to GEN-05."""
    if not config.genesis_file.exists():
        raise OperatorError(
            GEN_UNREADABLE,
            f"{config.genesis_file} is not there: the network is not founded here yet",
            unchanged="nothing was started",
            next_step=f"when every member has signed: cp genesis.cbor {quoted(config.genesis_file)}",
        )
    return load_genesis(config.genesis_file)


def _look_over(opened: Opened) -> None:
    """The stored chain holds together. Raises OperatorError STO-02."""
    genesis, tip = opened.genesis, opened.executor.tip
    first = opened.store.header(0)
    assert first is not None

    def holds(certificate: QuorumCertificate) -> bool:
        return not certificate_fault(certificate, genesis.chain_id, opened.replica_sets, opened.verify)

    expected = genesis_header(
        chain_id=genesis.chain_id,
        time_ms=genesis.created_ms,
        validators=genesis.replica_set(),
        state_root=first.state_root,
    )
    verify_chain(
        opened.store,
        path=opened.config.store_folder / "chain",
        genesis_hash=expected.hash(),
        certificate_holds=holds,
        from_height=max(0, tip.height - VERIFY_AT_START),
        max_uncertified=genesis.parameters.window,
    )
