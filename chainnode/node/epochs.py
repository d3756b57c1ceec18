"""The proof of every epoch that began, kept as local rows: it stays when old blocks go.

epoch/<number>    the EpochStep that leads into it
"""

from collections.abc import Callable
from typing import Protocol

from chainnode.ledger.epochs import MAX_STEP_BYTES, EpochProof, EpochStep, Schedule
from consensus.codec import decode, encode
from consensus.messages import QuorumCertificate
from consensus.types import BlockHeader


class StepStore(Protocol):
    """Of the chain store: headers, certificates, and this node's own rows."""

    def header(self, height: int) -> BlockHeader | None: ...

    def certificate(self, height: int) -> QuorumCertificate | None: ...

    def local_put(self, key: bytes, value: bytes) -> None: ...

    def local_get(self, key: bytes) -> bytes | None: ...


class EpochSteps:
    def __init__(self, store: StepStore, schedule: Callable[[], Schedule]) -> None:
        self._store = store
        self._schedule = schedule
        self._kept = 0

    def certified(self, height: int) -> None:
        """Everything up to `height` is certified: keep the steps of the epochs that began by it."""
        epochs = self._schedule().epochs
        while self._kept + 1 < len(epochs) and epochs[self._kept + 1].first_height <= height + 1:
            number = self._kept + 1
            if self._store.local_get(_name(number)) is None:
                last = epochs[number].first_height - 1
                header, certificate = self._store.header(last), self._store.certificate(last)
                # An epoch's last block is taken over with its own certificate or not at all (certified.py).
                assert header is not None and certificate is not None
                step = EpochStep(header, certificate, epochs[number].voters.members)
                self._store.local_put(_name(number), encode(step))
            self._kept = number

    def keep(self, proof: EpochProof) -> None:
        """Steps that were verified and came from a peer, with a snapshot."""
        for number, step in enumerate(proof, start=1):
            self._store.local_put(_name(number), encode(step))

    def proof(self, epoch: int) -> EpochProof | None:
        """None where a step is not here: the epoch has not begun, or was not certified here yet."""
        rows = [self._store.local_get(_name(number)) for number in range(1, epoch + 1)]
        steps = [decode(row, EpochStep, limit_bytes=MAX_STEP_BYTES) for row in rows if row is not None]
        return tuple(steps) if len(steps) == epoch else None


def _name(number: int) -> bytes:
    return b"epoch/%d" % number
