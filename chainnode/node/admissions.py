"""Taking transactions in from local users, and signing this node's own."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from structlog.stdlib import BoundLogger

from chainnode.ledger.admission import check_form, check_origin, check_state
from chainnode.ledger.payloads import MAX_OBJECTS, DealClassKeys, Grant, Payload
from chainnode.ledger.rows import row_lookup
from chainnode.ledger.rules import RULES, Refusal
from chainnode.ledger.statement import AdmissionRefusal, sign_refusal
from chainnode.ledger.transaction import (
    ID_BYTES,
    MAX_ROW_BYTES,
    MAX_ROWS,
    MAX_TRANSACTION_BYTES,
    NONCE_BYTES,
    Row,
    Submission,
    TransactionBody,
    sign_transaction,
    transaction_id,
)
from chainnode.node.api import Outcome, Part, SubmitResult
from chainnode.node.clock import now
from chainnode.node.executor import Executor
from chainnode.node.latency import Latencies
from chainnode.node.members import NodeKey
from chainnode.node.reserve import DiskReserve
from chainnode.node.stash import Stash
from chainnode.node.waiters import OUTCOME_OK, Waiters
from chainnode.vault.classshares import MAX_SEALED_SHARES_BYTES
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import valid_point
from chainnode.vault.parts import PART_BYTES, parts_digest
from chainnode.vault.sealing import OVERHEAD_BYTES
from consensus.codec import DecodeError, decode
from consensus.parameters import Parameters

MAX_SUBMISSION_BYTES = MAX_TRANSACTION_BYTES + MAX_ROWS * (MAX_ROW_BYTES + 64) + 1_024
OWN_VALIDITY_HEIGHTS = 200
OWN_TIMEOUT_MS = 20_000
OWN_CLIENT = "node"


class Intake(Protocol):
    """Where admitted transactions go: "", or why one was not taken ("busy", "too-large")."""

    def submit(self, submission: Submission, client: str, valid_until_height: int) -> str: ...


class Admissions:
    def __init__(
        self,
        *,
        chain_id: bytes,
        member: int,
        validator: NodeKey,
        parameters: Parameters,
        executor: Executor,
        waiters: Waiters,
        stash: Stash,
        intake: Intake,
        verify: Callable[[bytes, bytes, bytes], bool],
        trouble: Callable[[], str],
        reserve: DiskReserve,
        log: BoundLogger,
    ) -> None:
        """`trouble`: why nothing can be committed now, in words; empty where it can."""
        self._chain_id = chain_id
        self._member = member
        self._validator = validator
        self._parameters = parameters
        self._executor = executor
        self._waiters = waiters
        self._stash = stash
        self._intake = intake
        self._verify = verify
        self._trouble = trouble
        self._reserve = reserve
        self._log = log
        self.latencies = Latencies()
        self.turned_away: Counter[str] = Counter()
        """How many transactions, by rule."""

    async def submit(
        self, submission: bytes, parts: Sequence[Part], *, client: str, timeout_ms: int
    ) -> SubmitResult:
        """See NodeApi.submit. What this node itself submits goes on below the disk's reserve."""
        self._reserve.check()
        try:
            decoded = decode(submission, Submission, limit_bytes=MAX_SUBMISSION_BYTES)
        except DecodeError as error:
            return self._turned_away(transaction_id(submission), Refusal(error.code, error.detail))
        return await self._take(decoded, parts, client, timeout_ms)

    async def _take(
        self, submission: Submission, parts: Sequence[Part], client: str, timeout_ms: int
    ) -> SubmitResult:
        id_ = submission.transaction.id()
        started_ms = now().monotonic_ms
        checked = self._check(submission)
        if isinstance(checked, Refusal):
            return self._turned_away(id_, checked)
        refusal = self._keep_parts(checked, parts)
        if refusal is not None:
            return self._turned_away(id_, refusal)
        refused = self._intake.submit(submission, client, checked.valid_until_height)
        if refused == "too-large":
            return self._turned_away(id_, Refusal("too-large", "with its rows it does not fit a batch"))
        if refused:
            return SubmitResult(id_, Outcome.BUSY, detail="This node's queues are full: try again later.")
        found = await self._waiters.transaction(id_, timeout_ms)
        if found is None:
            return SubmitResult(id_, Outcome.PENDING, detail=self._trouble())
        self.latencies.add(now().monotonic_ms - started_ms)
        detail = "" if found.code == OUTCOME_OK else RULES[found.code]
        return SubmitResult(id_, Outcome.COMMITTED, found.height, found.code, detail)

    async def submit_own(self, payload: Payload) -> str:
        """Sign with the validator key and submit: the result's code, "pending" or "busy"."""
        result = await self.submit_for(payload, OWN_TIMEOUT_MS)
        return result.code or result.outcome.value

    async def submit_for(self, payload: Payload, timeout_ms: int) -> SubmitResult:
        """Sign with the validator key, submit, and wait for the certificate so long."""
        return await self.submit_signed(self.sign(payload), OWN_CLIENT, timeout_ms)

    def sign(self, payload: Payload) -> Submission:
        """A transaction of this node's own key."""
        return sign_transaction(
            payload,
            chain_id=self._chain_id,
            valid_until_height=self._executor.tip.height
            + min(OWN_VALIDITY_HEIGHTS, self._parameters.validity_heights),
            nonce=os.urandom(NONCE_BYTES),
            signer=self._validator.public,
            sign=self._validator.sign,
        )

    async def submit_signed(self, submission: Submission, client: str, timeout_ms: int) -> SubmitResult:
        """Submit what `sign` gave."""
        return await self._take(submission, (), client, timeout_ms)

    def _check(self, submission: Submission) -> TransactionBody | Refusal:
        """Form, then what execution would say to it now."""
        tip = self._executor.tip
        refusal = check_origin(self._executor.replica_sets(tip.height + 1), self._member)
        if refusal is not None:
            return refusal
        checked = check_form(
            submission,
            chain_id=self._chain_id,
            height=tip.height,
            parameters=self._parameters,
            verify=self._verify,
            valid_point=valid_point,
        )
        if isinstance(checked, Refusal):
            return checked
        beside = row_lookup(submission.rows)

        def rows(digest: bytes) -> Row | None:
            return beside(digest) or self._executor.row(digest)

        context = self._executor.context(tip.height + 1, max(tip.time_ms + 1, now().wall_ms))
        refusal = check_state(
            checked, self._executor.state, context, rows, self._executor.included.__contains__
        )
        return refusal or checked

    def _keep_parts(self, body: TransactionBody, parts: Sequence[Part]) -> Refusal | None:
        """Parts are kept before the grant goes out, sealed shares before the dealing, under the digest that
        it names."""
        payload, named, least, most = body.payload, b"", PART_BYTES, PART_BYTES
        if isinstance(payload, Grant):
            named = payload.parts_digest
        elif isinstance(payload, DealClassKeys):
            named, least, most = payload.shares_digest, OVERHEAD_BYTES, MAX_SEALED_SHARES_BYTES
            if not parts:
                return Refusal("row-mismatch", "a dealing comes with the sealed shares that it names")
        if len(parts) > MAX_OBJECTS:
            return Refusal("too-large", f"{len(parts)} parts: {MAX_OBJECTS} are taken")
        if any(len(part.object_id) != ID_BYTES or not least <= len(part.sealed) <= most for part in parts):
            return Refusal("malformed", f"a part is {PART_BYTES} sealed bytes for an object id of {ID_BYTES}")
        pairs = [(part.object_id, part.sealed) for part in parts]
        try:
            fits = parts_digest(pairs) == named if pairs else True
        except SealingError as error:
            return Refusal("duplicate", error.detail)
        if not fits:
            return Refusal("row-mismatch", "the sealed parts are not those whose digest the grant names")
        if pairs:
            self._stash.keep(pairs)
        return None

    def _turned_away(self, id_: bytes, refusal: Refusal) -> SubmitResult:
        height = self._executor.tip.height
        self.turned_away[refusal.rule] += 1
        statement = sign_refusal(
            AdmissionRefusal(self._chain_id, id_, refusal.rule, height, self._member), self._validator.sign
        )
        self._log.info("turned away", transaction=id_.hex(), rule=refusal.rule)
        detail = f"{RULES[refusal.rule]} {refusal.detail}".strip()
        return SubmitResult(id_, Outcome.TURNED_AWAY, height, refusal.rule, detail, statement)
