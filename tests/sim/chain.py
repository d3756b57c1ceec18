"""What all nodes of a run share: the founding, the keys, and judgements that are the same everywhere.

Votes carry fake signatures (a hash that only `sign` makes), batches and transactions carry real ones. A
message or a batch is decoded and judged once, not once for each node: the outcome depends on nothing else.
"""

from collections.abc import Callable, Container
from functools import cache, partial
from hashlib import sha256

from chainnode.ledger.admission import check_batch
from chainnode.ledger.epochs import Schedule, founding_schedule
from chainnode.ledger.header import genesis_header
from chainnode.ledger.networkrecords import PassedOver
from chainnode.ledger.passing import Rotation
from chainnode.ledger.rules import Refusal
from chainnode.ledger.transaction import BatchBody, SignedBatch
from chainnode.net.wire import Frame, decode_frame
from consensus.authenticate import authenticate, said_by_own
from consensus.codec import DecodeError, decode
from consensus.messages import Authenticated, Message
from consensus.parameters import Parameters
from consensus.ready import Rejection
from consensus.types import BatchRef, Digest, ReplicaSet
from tests.ledger.world import GENESIS_MS, Actor, valid_point, verify
from tests.sim.corpus import Corpus, corpus_for

MAX_BATCH_FRAME_BYTES = 1_048_576

_valid_point = cache(valid_point)
"""The points are the corpus's, the same in every run."""


def _fake_sign(key: bytes, signed: bytes) -> bytes:
    return sha256(key + signed).digest() * 2


def fake_verify(key: bytes, signed: bytes, signature: bytes) -> bool:
    return sha256(key + signed).digest() * 2 == signature


def _name(key: bytes, signed: bytes, signature: bytes) -> bytes:
    return sha256(key + signature + signed).digest()


class SharedChain:
    """One run's chain."""

    def __init__(self, members: int, parameters: Parameters) -> None:
        self.corpus: Corpus = corpus_for(members)
        self.founding = self.corpus.founding
        self.chain_id = self.founding.chain_id
        self.parameters = parameters
        self.schedule: Schedule = founding_schedule(self.founding)
        """As far as any honest node's blocks say."""
        self.created_ms = GENESIS_MS
        self._frames: dict[bytes, Frame] = {}
        self._messages: dict[tuple[bytes, int, tuple[PassedOver, ...]], Authenticated | str] = {}
        self._verified: dict[bytes, bool] = {}
        self._batches: dict[tuple[bytes, bytes], tuple[SignedBatch, BatchRef, BatchBody] | str] = {}

    @property
    def members(self) -> ReplicaSet:
        """The latest voters."""
        return self.schedule.latest.voters

    def learn(self, schedule: Schedule) -> None:
        """An honest node executed what `schedule` says."""
        if len(schedule.epochs) > len(self.schedule.epochs):
            self.schedule = schedule

    def genesis_hash(self, state_root: Digest) -> Digest:
        return genesis_header(
            chain_id=self.chain_id,
            time_ms=self.created_ms,
            validators=self.founding.replica_set(),
            state_root=state_root,
        ).hash()

    def signers(self, number: int) -> dict[bytes, Callable[[bytes], bytes]]:
        """By public key, each that the member ever votes with."""
        return {key: partial(_fake_sign, key) for key in self.corpus.keys_of(number)}

    def signer(self, number: int, sequence: int) -> Callable[[bytes], bytes]:
        """With the key that the member has at `sequence`, or had last."""
        key = self.schedule(sequence).key(number) or self.founding.members[number].validator_key
        return partial(_fake_sign, key)

    def decoded(self, data: bytes) -> Frame:
        """A frame between nodes. Raises DecodeError."""
        frame = self._frames.get(data)
        if frame is None:
            frame = self._frames[data] = decode_frame(data, limit_bytes=self.parameters.frame_bytes)
        return frame

    def authenticated(self, data: bytes, rotation: Rotation) -> Authenticated | str:
        """A message as a node's network judges it that knows these epochs and primaries, or the rule that
        refused it."""
        key = data, len(rotation.schedule.epochs), rotation.passed_over
        if key not in self._messages:
            self._messages[key] = self._judge(data, rotation)
        return self._messages[key]

    def own_vote(self, data: bytes, rotation: Rotation, number: int) -> Authenticated | str:
        """As `authenticated`, or what the member said in an epoch or turn that its node does not know."""
        judged = self.authenticated(data, rotation)
        if not isinstance(judged, str):
            return judged
        try:
            message: Message = decode(data, Message, limit_bytes=self.parameters.frame_bytes)  # type: ignore[arg-type]
        except DecodeError as error:
            return error.code
        keys = self.corpus.keys_of(number)
        return said_by_own(message, self.chain_id, number, keys, fake_verify) or judged

    def _judge(self, data: bytes, rotation: Rotation) -> Authenticated | str:
        try:
            message: Message = decode(data, Message, limit_bytes=self.parameters.frame_bytes)  # type: ignore[arg-type]
        except DecodeError as error:
            return error.code
        checked = authenticate(message, self.chain_id, rotation, fake_verify)
        return checked.rule if isinstance(checked, Rejection) else checked

    def checked_batch(
        self, data: bytes, keys_of: Callable[[int], tuple[bytes, ...]], certified: Container[Digest]
    ) -> tuple[SignedBatch, BatchRef, BatchBody] | str:
        """A batch from a peer, or the rule that refused it. `keys_of`: under which keys of its origin a batch
        counts, the newest first; `certified`: batches that proven blocks name, taken from any origin."""
        keys = {one.number: keys_of(one.number) for one in self.founding.members}
        found: tuple[SignedBatch, BatchRef, BatchBody] | str = ""
        for turn in range(max(1, *(len(known) for known in keys.values()))):
            then = {origin: known[turn] for origin, known in keys.items() if turn < len(known)}
            found = self._judged_batch(data, then)
            if not isinstance(found, str):
                return found
        if (data, b"") not in self._batches:
            self._batches[data, b""] = self._judge_batch(data, None)
        named = self._batches[data, b""]
        return named if isinstance(named, str) or named[1].digest in certified else found

    def _judged_batch(
        self, data: bytes, keys: dict[int, bytes]
    ) -> tuple[SignedBatch, BatchRef, BatchBody] | str:
        known = b"".join(keys.get(one.number, bytes(1)) for one in self.founding.members)
        if (data, known) not in self._batches:
            self._batches[data, known] = self._judge_batch(data, keys.get)
        return self._batches[data, known]

    def sign(self, actor: Actor, signed: bytes) -> bytes:
        """A real signature. That it holds need not be found out again."""
        signature = actor.sign(signed)
        self._verified[_name(actor.public, signed, signature)] = True
        return signature

    def verify_once(self, key: bytes, signed: bytes, signature: bytes) -> bool:
        """Of a batch or a transaction."""
        name = _name(key, signed, signature)
        if name not in self._verified:
            # Votes too, where a transaction shows some.
            self._verified[name] = verify(key, signed, signature) or fake_verify(key, signed, signature)
        return self._verified[name]

    def _judge_batch(
        self, data: bytes, key_of: Callable[[int], bytes | None] | None
    ) -> tuple[SignedBatch, BatchRef, BatchBody] | str:
        try:
            batch = decode(data, SignedBatch, limit_bytes=MAX_BATCH_FRAME_BYTES)
        except DecodeError as error:
            return error.code
        checked = check_batch(
            batch,
            origin_key=key_of,
            chain_id=self.chain_id,
            parameters=self.parameters,
            verify=self.verify_once,
            valid_point=_valid_point,
        )
        return checked.rule if isinstance(checked, Refusal) else (batch, *checked)
