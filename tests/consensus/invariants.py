"""What must never happen in a cluster, checked all the time."""

from typing import TYPE_CHECKING, Any

from consensus.codec import encode
from consensus.messages import BlockVote, Certified, Message, QuorumCertificate

if TYPE_CHECKING:
    from tests.consensus.cluster import Block, Cluster, Node


class Invariants:
    """Agreement, one certificate a height, no equivocation of honest replicas, bounded memory."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster
        self._certified: dict[int, bytes] = {}
        self._blocks: dict[int, bytes] = {}
        self._votes: dict[tuple[Any, ...], bytes] = {}

    def block(self, block: "Block", node: "Node") -> None:
        if node.number in self._cluster.byzantine or node.number in self._cluster.wrong_execution:
            return
        first = self._blocks.setdefault(block.height, block.hash)
        assert first == block.hash, f"agreement: height {block.height} differs at {node.number}"

    def certificate(self, certificate: QuorumCertificate) -> None:
        first = self._certified.setdefault(certificate.height, certificate.header_hash)
        assert first == certificate.header_hash, f"two certificates at {certificate.height}"

    def vote(self, message: Message) -> None:
        """No honest replica signs two messages of one kind for one slot and view."""
        if message.replica in self._cluster.byzantine or isinstance(message, Certified):
            return
        kind = type(message).__name__
        if isinstance(message, BlockVote):
            key: tuple[Any, ...] = (kind, message.epoch, message.height, message.replica)
        else:
            sequence = getattr(message, "sequence", None)
            key = (kind, message.epoch, message.view, sequence, message.replica)
        first = self._votes.setdefault(key, encode(message))
        assert first == encode(message), f"equivocation: {key}"

    def bounds(self, node: "Node") -> None:
        reach = 2 * self._cluster.parameters.window
        parts = node.replica._parts
        everyone = len(self._cluster.nodes)
        assert len(parts.ordering.slots) <= reach
        assert len(parts.certifier.votes) <= reach
        assert all(len(slot.prepares) <= everyone for slot in parts.ordering.slots.values())
        assert len(parts.changer.asked) <= everyone
        assert len(parts.future) <= 3 * reach * everyone
        assert len(parts.certifier._certificates) <= 2 * reach
        assert len(parts.certifier.hashes) <= reach
