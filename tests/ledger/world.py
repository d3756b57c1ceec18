"""A small world for tests: hospitals, registrars, patients and objects on a ledger without a network.

Everything is derived from names, so two worlds built by the same calls are the same byte for byte.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from hypothesis import settings
from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from chainnode.ledger.epochs import founding_schedule, schedule_of
from chainnode.ledger.founding import Founding, genesis_state
from chainnode.ledger.header import block_time_ms, genesis_header, next_header
from chainnode.ledger.machine import Execution, execute
from chainnode.ledger.payloads import Payload
from chainnode.ledger.records import MemberRecord, RegistrarRecord, Result, TrusteeRecord
from chainnode.ledger.state import State
from chainnode.ledger.stretch import ProvenBlock
from chainnode.ledger.transaction import (
    BatchBody,
    Row,
    SignedTransaction,
    Submission,
    batch_ref,
    sign_transaction,
)
from chainnode.ledger.transition import BlockContext
from consensus.codec import encode
from consensus.messages import QuorumCertificate, Vote, block_vote_bytes
from consensus.parameters import Parameters
from consensus.ready import Decided
from consensus.types import BlockHeader

quick = settings(deadline=None, max_examples=60)
"""For property tests: no wall-clock time decides whether one passes."""

GENESIS_MS = 1_700_000_000_000
SLOT_MS = 1_000
SEALING_KEY = bytes(1_216)


def verify(key: bytes, signed: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(key).verify(signed, signature)
    except (BadSignatureError, ValueError):
        return False
    return True


def valid_point(point: bytes) -> bool:
    return bool(crypto_core_ed25519_is_valid_point(point))


def id16(name: str) -> bytes:
    return sha256(b"id " + name.encode()).digest()[:16]


def digest32(name: str) -> bytes:
    return sha256(b"digest " + name.encode()).digest()


class Actor:
    """Somebody with an Ed25519 key that follows from the name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._key = SigningKey(sha256(b"actor " + name.encode()).digest())
        self.public = bytes(self._key.verify_key)

    def sign(self, signed: bytes) -> bytes:
        return self._key.sign(signed).signature


def point(name: str) -> bytes:
    """Some valid point of the group."""
    return Actor("point " + name).public


@dataclass
class Block:
    header: BlockHeader
    execution: Execution
    transactions: list[SignedTransaction]

    def codes(self) -> list[str]:
        return [result.code for result in self.execution.results]

    def kinds(self) -> list[str]:
        return [event.kind for event in self.execution.events]


@dataclass
class Chain:
    """A ledger on a dict, one batch per block."""

    members: int = 4
    parameters: Parameters = field(default_factory=Parameters)
    chain_id: bytes = digest32("chain")
    trustee_threshold: int = 0
    """0: no trustees; otherwise five, the first of whom hospital-0 runs."""
    trustee_operators: tuple[str, ...] = ("hospital-0", *(f"organisation-{n}" for n in range(2, 6)))

    def __post_init__(self) -> None:
        self.validators = [Actor(f"validator {n}") for n in range(self.members)]
        self.stewards = [Actor(f"steward {n}") for n in range(self.members)]
        self.trustees = [Actor(f"trustee {n}") for n in range(1, 6)]
        self.registrars = [Actor("insurer"), Actor("registrar of hospital-0")]
        self.founding = Founding(
            self.chain_id,
            tuple(
                MemberRecord(
                    n, f"hospital-{n}", f"Hospital {n}", self.validators[n].public, self.stewards[n].public
                )
                for n in range(self.members)
            ),
            (
                RegistrarRecord("insurer", "Insurer", "insurance-fund", self.registrars[0].public),
                RegistrarRecord("inside", "Registrar", "hospital-0", self.registrars[1].public),
            ),
            tuple(
                TrusteeRecord(
                    f"trustee-{n}",
                    self.trustee_operators[n - 1],
                    self.trustees[n - 1].public,
                )
                for n in range(1, 6)
                if self.trustee_threshold
            ),
            self.trustee_threshold,
        )
        self.backend: dict[bytes, bytes] = {}
        self.rows: dict[bytes, Row] = {}
        self.transactions: dict[bytes, tuple[SignedTransaction, int]] = {}
        self.state = State(self.backend.get)
        self.write(self.state.update(genesis_state(self.founding), {}))
        genesis = genesis_header(
            chain_id=self.chain_id,
            time_ms=GENESIS_MS,
            validators=self.founding.replica_set(),
            state_root=self.state.root,
        )
        self.headers = [genesis]
        self.blocks: list[ProvenBlock] = []
        self.schedule = founding_schedule(self.founding)
        self.voters = {actor.public: actor for actor in self.validators}
        self._nonces = 0

    def write(self, puts: dict[bytes, bytes | None]) -> None:
        """Put raw entries into the backend."""
        for name, value in puts.items():
            if value is None:
                self.backend.pop(name, None)
            else:
                self.backend[name] = value

    @property
    def height(self) -> int:
        return self.headers[-1].height

    @property
    def now_ms(self) -> int:
        """The time of the next block, unless it is told otherwise."""
        return self.headers[-1].time_ms + SLOT_MS

    def submission(
        self, actor: Actor, payload: Payload, rows: Sequence[Row] = (), *, valid_for: int = 100
    ) -> Submission:
        self._nonces += 1
        return sign_transaction(
            payload,
            chain_id=self.chain_id,
            valid_until_height=self.height + valid_for,
            nonce=id16(f"nonce {self._nonces}"),
            signer=actor.public,
            sign=actor.sign,
            rows=rows,
        )

    def context(self, time_ms: int | None = None) -> BlockContext:
        """Context of the next block."""
        proposed = self.now_ms if time_ms is None else time_ms
        return BlockContext(
            self.chain_id,
            self.schedule(self.height + 1).epoch,
            self.height + 1,
            block_time_ms(self.headers[-1], proposed),
            self.parameters,
            self.founding.trustees,
            self.founding.trustee_threshold,
        )

    def included(self, id_: bytes) -> bool:
        return id_ in self.transactions

    def commit(self, *submissions: Submission, time_ms: int | None = None) -> Block:
        """Execute the submissions as the next block."""
        transactions = [one.transaction for one in submissions]
        for one in submissions:
            self.rows.update({row.digest(): row for row in one.rows})
        context = self.context(time_ms)
        execution = execute(context, [transactions], self.rows.get, self.state, self.included)
        for transaction in transactions:
            self.transactions.setdefault(transaction.id(), (transaction, context.height))
        self.write(execution.puts)
        body = BatchBody(0, context.height, context.height + 10, tuple(transactions))
        proposed = self.now_ms if time_ms is None else time_ms
        decided = Decided(context.height, context.epoch, 0, proposed, (batch_ref(body, encode(body)),))
        header = next_header(
            self.headers[-1],
            decided,
            results=execution.results,
            events=execution.events,
            state_root=execution.state_root,
            validators=self.schedule(context.height),
            next_validators=self.schedule(context.height + 1),
        )
        self.headers.append(header)
        self.blocks.append(ProvenBlock(header, (encode(body),), execution.results))
        self.schedule = schedule_of(self.state, self.founding)
        return Block(header, execution, transactions)

    def run(
        self, actor: Actor, payload: Payload, rows: Sequence[Row] = (), *, time_ms: int | None = None
    ) -> Result:
        """One transaction in a block of its own."""
        block = self.commit(self.submission(actor, payload, rows), time_ms=time_ms)
        return block.execution.results[0]

    def must(self, actor: Actor, payload: Payload, rows: Sequence[Row] = ()) -> Result:
        """As `run`, for what has to succeed."""
        result = self.run(actor, payload, rows)
        assert result.code == "", result.code
        return result

    def certificate(
        self, header: BlockHeader | None = None, *, voters: int | None = None
    ) -> QuorumCertificate:
        """A quorum's votes for a header, by default the last one's."""
        header = header or self.headers[-1]
        members = self.schedule(header.height)
        voting = members.members[: members.quorum if voters is None else voters]
        votes = tuple(
            Vote(one.id, self.voters[one.key].sign(self.vote_bytes(header, one.id))) for one in voting
        )
        return QuorumCertificate(header.epoch, header.height, header.hash(), votes)

    def vote_bytes(self, header: BlockHeader, replica: int) -> bytes:
        return block_vote_bytes(self.chain_id, header.epoch, header.height, header.hash(), replica)
