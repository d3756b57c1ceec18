"""What must hold, looked at all the time. The first breach raises Violation.

Votes are counted over all nodes together: two quorums for different content are a breach at once, even if
no node has seen them both yet.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from consensus.codec import encode
from consensus.messages import (
    BlockVote,
    Certified,
    Commit,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    QuorumCertificate,
    ViewChange,
    message_sequence,
)
from consensus.types import TURN_VIEWS, BatchRef, BlockHeader, Digest
from tests.sim.bounds import Bounds
from tests.sim.trace import Violation

if TYPE_CHECKING:
    from tests.sim.chain import SharedChain
    from tests.sim.node import SimNode


def outline(message: Message) -> str:
    """One message in a few words."""
    match message:
        case PrePrepare():
            origins = [f"{ref.origin}.{ref.origin_sequence}" for ref in message.refs]
            return f"pre-prepare v{message.view} n{message.sequence} {origins or 'null'}"
        case Prepare() | Commit():
            kind = type(message).__name__.lower()
            return (
                f"{kind} v{message.view} n{message.sequence} {message.digest.hex()[:8]} by {message.replica}"
            )
        case BlockVote():
            return f"block-vote {message.height} {message.header_hash.hex()[:8]} by {message.replica}"
        case ViewChange():
            slots = [(one.pre_prepare.sequence, one.pre_prepare.view) for one in message.prepared]
            return f"view-change v{message.view} stable {message.stable_height} prepared {slots}"
        case Certified():
            return f"certified {message.certificate.height} {message.certificate.header_hash.hex()[:8]}"
    changes = [(change.replica, change.stable_height) for change in message.view_changes]
    slots = [(one.sequence, len(one.refs)) for one in message.proposals]
    return f"new-view v{message.view} of {changes} proposes {slots}"


def with_proposals(message: Message) -> Iterator[Message]:
    """A NEW-VIEW speaks its proposals too."""
    yield message
    if isinstance(message, NewView):
        yield from message.proposals


def _key(message: Message) -> tuple[Any, ...]:
    """What an honest replica says one thing about."""
    kind = type(message).__name__
    if isinstance(message, BlockVote):
        return kind, message.replica, message.epoch, message.height
    return kind, message.replica, message.epoch, getattr(message, "view", 0), getattr(message, "sequence", 0)


class Checks:
    """`sound`: the members that are honest and have an honest disk."""

    def __init__(self, chain: "SharedChain", sound: frozenset[int]) -> None:
        self._chain = chain
        self.sound = sound
        self._bounds = Bounds(chain.members.n)
        self._headers: dict[int, Digest] = {}
        self._executed: dict[int, int] = {}
        self.certificates: dict[int, Digest] = {}
        self._block_voters: dict[tuple[int, Digest], set[int]] = {}
        self._committers: dict[tuple[int, int, Digest], set[int]] = {}
        self._committed: dict[int, tuple[int, Digest]] = {}
        """The lowest view in which a quorum committed a slot, and what."""
        self._refs: dict[Digest, tuple[BatchRef, ...]] = {}
        self._first: dict[tuple[Any, ...], bytes] = {}
        self._within: dict[int, dict[bytes, None]] = {}
        self._entered: dict[int, NewView] = {}
        self._binding: dict[tuple[int, int, int], dict[int, Digest]] = {}
        """Of a node, an epoch and a view: what the NEW-VIEW that led it there proposed, by sequence."""

    # --- votes ------------------------------------------------------------------------------------

    def spoken(self, node: "SimNode", message: Message, data: bytes) -> None:
        """A message of an honest node is about to leave."""
        if message.replica == node.number and not isinstance(message, Certified):
            self._is_durable(node, message, data)
            if node.keeps_word:
                self._is_no_second(node, message)
            if isinstance(message, NewView):
                self._follows(node, message)
            if isinstance(message, Prepare | Commit):
                self._has_batches(node, message)
                self._is_bound(node, message)
            self._is_of_its_turn(node, message)
        self.count(message)

    def persisted(self, node: "SimNode") -> None:
        """A turn of an honest node is on its disk: it must not forget the view that it entered."""
        message = node.engine.replica._parts.changer.new_view
        if message is None or not node.honest or self._entered.get(node.number) is message:
            return
        self._entered[node.number] = message
        binding = self._binding.setdefault((node.number, message.epoch, message.view), {})
        for one in message.proposals:
            binding.setdefault(one.sequence, one.digest(self._chain.chain_id))

    def _is_bound(self, node: "SimNode", vote: Prepare | Commit) -> None:
        """What NEW-VIEW proposed again for a slot is all that the view ever proposes for it."""
        proposed = self._binding.get((node.number, vote.epoch, vote.view), {})
        if node.trusted and proposed.get(vote.sequence, vote.digest) != vote.digest:
            raise Violation(f"node {node.number} forgot what its view proposes again: {outline(vote)}")

    def _is_of_its_turn(self, node: "SimNode", message: Message) -> None:
        """A slot is ordered in the views of its own turn alone."""
        heights = self._chain.parameters.turn_heights
        for one in with_proposals(message):
            if not isinstance(one, PrePrepare | Prepare | Commit):
                continue
            turn = (one.sequence - 1) // heights if heights else 0
            if one.view // TURN_VIEWS != turn:
                raise Violation(f"node {node.number} orders in another turn's view: {outline(one)}")

    def _has_batches(self, node: "SimNode", message: Prepare | Commit) -> None:
        for ref in self._refs.get(message.digest, ()):
            if not node.store.has_batch(ref.digest):
                raise Violation(f"node {node.number} votes for a batch it has not: {outline(message)}")

    def _follows(self, node: "SimNode", message: NewView) -> None:
        """NEW-VIEW takes up what was prepared in the highest view, and whatever a quorum has committed
        in a view before."""
        stable = max(change.stable_height for change in message.view_changes)
        prepared = [one.pre_prepare for change in message.view_changes for one in change.prepared]
        top = max([stable, *(one.sequence for one in prepared)])
        proposed = {one.sequence: one.digest(self._chain.chain_id) for one in message.proposals}
        if sorted(proposed) != list(range(stable + 1, top + 1)):
            raise Violation(f"node {node.number} leaves slots out: {outline(message)}")
        for sequence, slot in proposed.items():
            latest = max((one.view for one in prepared if one.sequence == sequence), default=None)
            allowed = [
                one.digest(self._chain.chain_id)
                for one in prepared
                if one.sequence == sequence and one.view == latest
            ]
            if allowed and slot not in allowed:
                raise Violation(f"node {node.number} takes up the wrong slot {sequence}: {outline(message)}")
            committed_view, committed = self._committed.get(sequence, (message.view, slot))
            if committed_view < message.view and committed != slot:
                raise Violation(f"node {node.number} drops committed slot {sequence}: {outline(message)}")

    def _is_durable(self, node: "SimNode", message: Message, data: bytes) -> None:
        spoken = node.disk.spoken
        if data in spoken:
            if isinstance(message, NewView):
                within = self._within.setdefault(node.number, {})
                within.update(dict.fromkeys(encode(one) for one in message.proposals))
            return
        if data not in self._within.get(node.number, {}):
            raise Violation(f"node {node.number} says what its log does not hold: {outline(message)}")

    def _is_no_second(self, node: "SimNode", message: Message) -> None:
        for one in with_proposals(message):
            data = encode(one)
            if self._first.setdefault(_key(one), data) != data:
                raise Violation(f"node {node.number} contradicts itself: {outline(one)}")

    def heard(self, node: "SimNode", message: Message, data: bytes) -> None:
        """An honest node took a message for good. Where its author is sound, that one said just this."""
        if isinstance(message, Certified):
            # A faulty member may have kept its own vote to itself until it shows the certificate.
            self._certificate(message.certificate.height, message.certificate.header_hash)
            return
        if message.replica not in self.sound:
            return
        said = self._first.get(_key(message))
        if said != data:
            raise Violation(f"node {node.number} believes what nobody said: {outline(message)}")

    def count(self, message: Message) -> None:
        """Count a vote, an honest one or not."""
        for one in with_proposals(message):
            if isinstance(one, PrePrepare):
                self._refs[one.digest(self._chain.chain_id)] = one.refs
        if not isinstance(message, Commit | BlockVote):
            return
        members = self._chain.schedule(message_sequence(message))
        if message.epoch != members.epoch or message.replica not in members.ids:
            return
        if isinstance(message, Commit):
            voters = self._committers.setdefault((message.view, message.sequence, message.digest), set())
            voters.add(message.replica)
            if len(voters) >= members.quorum:
                self._committed_slot(message)
        else:
            voters = self._block_voters.setdefault((message.height, message.header_hash), set())
            voters.add(message.replica)
            if len(voters) >= members.quorum:
                self._certificate(message.height, message.header_hash)

    def _committed_slot(self, commit: Commit) -> None:
        view, slot = self._committed.get(commit.sequence, (commit.view, commit.digest))
        if slot != commit.digest:
            raise Violation(f"quorums committed different content in slot {commit.sequence}")
        self._committed[commit.sequence] = (min(view, commit.view), slot)

    def _certificate(self, height: int, header_hash: Digest) -> None:
        if self.certificates.setdefault(height, header_hash) != header_hash:
            raise Violation(f"quorums certified different headers at height {height}")
        if self._headers.get(height, header_hash) != header_hash:
            raise Violation(f"another header than the executed one was certified at height {height}")

    # --- blocks -----------------------------------------------------------------------------------

    def executed(self, node: "SimNode", header: BlockHeader) -> None:
        node.trace(f"executed {header.height} {header.hash().hex()[:8]}")
        if not node.honest:
            return
        self._chain.learn(node.executor.schedule)
        own = header.hash()
        if self._headers.setdefault(header.height, own) != own:
            raise Violation(f"agreement: node {node.number} executed another block at height {header.height}")
        self._executed[node.number] = header.height
        if self.certificates.get(header.height, own) != own:
            raise Violation(f"node {node.number} executed what was not certified at height {header.height}")

    def certified(self, node: "SimNode", certificate: QuorumCertificate) -> None:
        if node.honest:
            self._certificate(certificate.height, certificate.header_hash)

    @property
    def top(self) -> int:
        """The greatest height for which a quorum has voted."""
        return max(self.certificates, default=0)

    def opened(self, node: "SimNode") -> None:
        """After a start: what was executed, and so synced, is still there."""
        tip = node.executor.tip
        if not node.honest or not node.trusted:
            return
        if tip.height < self._executed.get(node.number, 0):
            raise Violation(f"node {node.number} lost blocks: it is at {tip.height}")
        if tip.height and self._headers.get(tip.height) != tip.hash():
            raise Violation(f"node {node.number} starts with a block that it did not execute")

    # --- one node ---------------------------------------------------------------------------------

    def turn_done(self, node: "SimNode") -> None:
        """Nothing in an honest node is out of its bounds, and no sound one doubts itself."""
        if not node.honest:
            return
        hold = node.engine.replica._parts.ballot.hold
        if node.trusted and hold is not None and hold.height > self.top:
            raise Violation(f"node {node.number} mistrusts a log that was not touched: {hold}")
        self._bounds.check(node)
