"""Nothing in a node grows with time or with what peers send: counts at every turn, bytes at every few."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from chainnode.net.dissemination import PEER_CAP_FACTOR
from chainnode.node.catchup import ASK_BLOCKS, MAX_HELD
from chainnode.node.engine import ROTATE_BYTES
from consensus.codec import encode
from consensus.parts import Parts
from tests.sim.trace import Violation

if TYPE_CHECKING:
    from tests.sim.node import SimNode

BYTES_EVERY_TURNS = 8
VOTE_BYTES = 256
"""A vote on a slot or a block is no larger."""


class Bounds:
    def __init__(self, members: int) -> None:
        self._members = members
        self._sizes: dict[int, tuple[Struct, int]] = {}
        """By identity, so that a message is encoded once; holding it keeps the identity its own."""
        self._turns: dict[int, int] = {}

    def check(self, node: "SimNode") -> None:
        self._complain(node, self._counts(node))
        self._turns[node.number] = turns = self._turns.get(node.number, 0) + 1
        if turns % BYTES_EVERY_TURNS == 0:
            self._complain(node, self._bytes(node))

    def _complain(self, node: "SimNode", sizes: dict[str, tuple[int, int]]) -> None:
        for what, (size, limit) in sizes.items():
            if size > limit:
                raise Violation(f"node {node.number}: {size} {what}, {limit} at most")

    def _counts(self, node: "SimNode") -> dict[str, tuple[int, int]]:
        reach, everyone = 2 * node.world.plan.parameters.window, self._members
        parts = node.engine.replica._parts
        return {
            "slots": (len(parts.ordering.slots), reach),
            "heights voted on": (len(parts.certifier.votes), reach),
            "certificates that wait": (len(parts.certifier._certificates), 2 * reach),
            "view changes": (len(parts.changer.asked), everyone),
            "messages of later views": (len(parts.future), 3 * reach * everyone),
            "blocks that wait": (len(node.peers.sync.catchup.held), MAX_HELD + ASK_BLOCKS),
        }

    def _bytes(self, node: "SimNode") -> dict[str, tuple[int, int]]:
        parameters, everyone = node.world.plan.parameters, self._members
        reach, frame = 2 * parameters.window, parameters.frame_bytes
        parts = node.engine.replica._parts
        proposals = self._size(slot.pre_prepare for slot in parts.ordering.slots.values())
        prepared = self._size(slot.prepared for slot in parts.ordering.slots.values())
        unordered = max(node.peers.batches.unordered_bytes().values(), default=0)
        needed = reach * (parameters.block_bytes + parameters.batch_bytes)
        return {
            "bytes of proposals": (proposals, reach * frame),
            "bytes of prepared certificates": (prepared, reach * frame),
            "bytes of votes": (self._size(_votes(parts)), 3 * reach * everyone * VOTE_BYTES),
            "bytes of view changes": (self._size(parts.changer.asked.values()), everyone * frame),
            "bytes of messages of later views": (
                self._size(one for kept in parts.future._kept.values() for one in kept.values()),
                reach * everyone * (frame + 2 * VOTE_BYTES),
            ),
            "bytes of batches of one origin": (
                unordered,
                PEER_CAP_FACTOR * parameters.unordered_bytes + needed,
            ),
            "bytes of the vote log": (node.log.size_bytes, 4 * max(ROTATE_BYTES, frame)),
        }

    def _size(self, held: Iterable[Struct | None]) -> int:
        return sum(self._size_of(one) for one in held if one is not None)

    def _size_of(self, one: Struct) -> int:
        known = self._sizes.get(id(one))
        if known is None:
            known = self._sizes[id(one)] = (one, len(encode(one)))
        return known[1]


def _votes(parts: Parts) -> Iterator[Struct]:
    for slot in parts.ordering.slots.values():
        yield from slot.prepares.values()
        yield from slot.commits.values()
    for votes in parts.certifier.votes.values():
        yield from votes.values()
