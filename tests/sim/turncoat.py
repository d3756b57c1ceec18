"""A faulty member for a fault of memory: it relies on what a restarted backup no longer knows."""

from random import Random
from typing import TYPE_CHECKING

from msgspec import structs

from consensus.messages import Commit, Message, NewView, PrePrepare
from tests.sim.byzantine import Collusion, Strategy

if TYPE_CHECKING:
    from tests.sim.node import SimNode

TURNED_AFTER_MS = (200, 450, 800, 1_200, 1_700)


class Turncoat(Strategy):
    """Leads into a view as it should, and then proposes something else for what that view proposed again: a
    backup that forgot it in a restart believes that. It commits nothing, so views do not last."""

    name = "turncoat"

    def __init__(self, collusion: Collusion, random: Random) -> None:
        super().__init__(collusion, random)
        self._led: dict[tuple[int, int], dict[int, PrePrepare]] = {}
        """What it says later, by epoch and view, by sequence."""
        self._told: set[tuple[int, int, int]] = set()

    def versions(self, node: "SimNode", peer: int, message: Message) -> list[tuple[int, Message]]:
        if isinstance(message, Commit):
            return []
        if isinstance(message, NewView) and message.replica == node.number:
            return self._leads(node, peer, message)
        if isinstance(message, PrePrepare):
            return [(0, self._led.get((message.epoch, message.view), {}).get(message.sequence, message))]
        return [(0, message)]

    def _leads(self, node: "SimNode", peer: int, message: NewView) -> list[tuple[int, Message]]:
        others = self._led.setdefault(
            (message.epoch, message.view),
            {
                one.sequence: self.sign(node, structs.replace(one, time_ms=one.time_ms + 1))
                for one in message.proposals
                if one.refs
            },
        )
        once = (peer, message.epoch, message.view)
        if once in self._told:
            return []
        self._told.add(once)
        later = [(after_ms, one) for one in others.values() for after_ms in TURNED_AFTER_MS]
        return [(0, message), *later]
