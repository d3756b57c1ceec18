"""A Byzantine replica: the real one, but what leaves it is altered and signed anew, otherwise for each."""

import random

from msgspec import structs

from consensus.messages import (
    BlockVote,
    Certified,
    Commit,
    Message,
    Prepare,
    PrePrepare,
    SignedMessage,
    ViewChange,
    signed_bytes,
)
from tests.consensus.cluster import Cluster
from tests.consensus.fakes import CHAIN, signer


class Liar:
    """Equivocates, votes for both sides, hides what prepared, leaps ahead in views, keeps silent."""

    def __init__(self, cluster: Cluster, number: int, seed: int) -> None:
        self._number = number
        self._random = random.Random(seed)
        self._told: dict[tuple[int, int], tuple[PrePrepare, PrePrepare]] = {}
        cluster.byzantine.add(number)
        cluster.corrupt = self

    def __call__(self, sender: int, to: int, message: Message) -> list[Message]:
        if sender != self._number or isinstance(message, Certified) or message.replica != sender:
            return [message]
        if self._random.random() < 0.1:
            return []
        if isinstance(message, PrePrepare) and message.refs:
            return self._propose(message)
        if isinstance(message, Prepare | Commit):
            return self._vote(message)
        if isinstance(message, BlockVote):
            lie = self._random.random() < 0.3
            return [self._sign(message, header_hash=bytes(32))] if lie else [message]
        if isinstance(message, ViewChange):
            return self._change(message)
        return [message]

    def _sign(self, message: SignedMessage, **fields: object) -> Message:
        altered = structs.replace(message, **fields)
        return structs.replace(altered, signature=signer(self._number)(signed_bytes(altered, CHAIN)))

    def _propose(self, message: PrePrepare) -> list[Message]:
        key = (message.view, message.sequence)
        if key not in self._told:
            other = self._sign(message, time_ms=message.time_ms + self._random.randint(0, 1))
            self._told[key] = (message, other)
        sides = self._told[key]
        told: list[Message] = [self._random.choice(sides)]
        for side in sides:
            if self._random.random() < 0.5:
                vote = Commit(message.epoch, message.view, message.sequence, side.digest(CHAIN), self._number)
                told.append(self._sign(vote))
        return told

    def _vote(self, message: Prepare | Commit) -> list[Message]:
        dice = self._random
        told = [self._sign(message, digest=bytes(32)) if dice.random() < 0.2 else message]
        if dice.random() < 0.2:
            told.append(self._sign(message, sequence=message.sequence + dice.choice([-1, 1, 3])))
        if dice.random() < 0.2:
            told.append(self._sign(message, view=message.view + dice.choice([1, 2])))
        return told

    def _change(self, message: ViewChange) -> list[Message]:
        dice = self._random.random()
        if dice < 0.3:
            return [self._sign(message, prepared=())]
        if dice < 0.5:
            return [self._sign(message, view=message.view + self._random.choice([1, 2, 1_000]))]
        if dice < 0.6:
            return [self._sign(message, stable=None, prepared=())]
        return [message]
