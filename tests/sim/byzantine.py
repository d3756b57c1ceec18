"""Faulty members: the real node, whose mouth is not its own.

Each strategy says what really goes to which peer. Keys of others are never used; several faulty members
of one run work together.
"""

from functools import partial
from random import Random
from typing import TYPE_CHECKING, TypeVar

from msgspec import structs

from chainnode.net.port import Channel
from chainnode.net.wire import (
    Batch,
    BatchOffer,
    Blocks,
    Consensus,
    Frame,
    OwnVotes,
    Piece,
    SnapshotOffer,
    Status,
    encode_frame,
)
from chainnode.node.certified import CertifiedBlock
from consensus.codec import decode, encode
from consensus.messages import (
    BlockVote,
    Certified,
    Commit,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    QuorumCertificate,
    SignedMessage,
    ViewChange,
    Vote,
    message_sequence,
    signed_bytes,
)
from consensus.types import BlockHeader, Digest
from tests.sim.checks import outline
from tests.sim.mutation import of_another_epoch, off_by_one

if TYPE_CHECKING:
    from tests.sim.node import SimNode

M = TypeVar("M", PrePrepare, Prepare, Commit, BlockVote, ViewChange, NewView)
REPLAYED_MESSAGES = 64


class Collusion:
    """What the faulty members of a run share: who is told which of two stories, and how they differ."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.second: dict[Digest, Digest] = {}
        """Slot digest of the first story to that of the second."""

    def is_second_side(self, view: int, peer: int) -> bool:
        return Random(f"{self._seed} {view} {peer}").random() < 0.5


class Strategy:
    """Says everything as it is."""

    name = "honest mouth"

    def __init__(self, collusion: Collusion, random: Random) -> None:
        self.collusion = collusion
        self.random = random

    def versions(self, node: "SimNode", peer: int, message: Message) -> list[tuple[int, Message]]:
        """What goes to `peer` in place of `message`: delays (ms) and messages."""
        return [(0, message)]

    def frame(self, node: "SimNode", peer: int, frame: Frame) -> Frame | None:
        """What goes to `peer` on the bulk channel in place of `frame`."""
        return frame

    def hears(self, frame: Frame) -> Frame:
        """What the node takes in of `frame`."""
        return frame

    def send_message(self, node: "SimNode", peer: int, message: Message) -> None:
        for delay_ms, version in self.versions(node, peer, message):
            if delay_ms:
                node.later(delay_ms, partial(self._post, node, peer, version))
            else:
                self._post(node, peer, version)

    def send_frame(self, node: "SimNode", peer: int, frame: Frame) -> bool:
        said = self.frame(node, peer, frame)
        if said is None:
            return True
        return node.world.links.send(node, peer, Channel.BULK, encode_frame(said))

    def _post(self, node: "SimNode", peer: int, message: Message) -> None:
        node.world.checks.count(message)
        frame = encode_frame(Consensus(encode(message)))
        sent = {peer: node.world.links.send(node, peer, Channel.VOTES, frame)}
        node.trace(f"({self.name}) says {outline(message)} to {peer}", to=sent)

    def sign(self, node: "SimNode", message: M) -> M:
        chain = node.world.chain
        sign = chain.signer(node.number, max(0, message_sequence(message)))
        return structs.replace(message, signature=sign(signed_bytes(message, chain.chain_id)))


class Mute(Strategy):
    """Says nothing at all, and serves nothing."""

    name = "mute"

    def versions(self, node: "SimNode", peer: int, message: Message) -> list[tuple[int, Message]]:
        return []

    def frame(self, node: "SimNode", peer: int, frame: Frame) -> Frame | None:
        return None


class SilentPrimary(Strategy):
    """Votes, but proposes nothing and leads into no view."""

    name = "silent primary"

    def versions(self, node: "SimNode", peer: int, message: Message) -> list[tuple[int, Message]]:
        return [] if isinstance(message, PrePrepare | NewView) else [(0, message)]


class SlowPrimary(Strategy):
    """Proposes as late as it dares."""

    name = "slow primary"

    def versions(self, node: "SimNode", peer: int, message: Message) -> list[tuple[int, Message]]:
        if not isinstance(message, PrePrepare | NewView):
            return [(0, message)]
        base_ms = node.world.chain.parameters.base_timeout_ms
        return [(self.random.randint(base_ms // 3, base_ms), message)]


class Equivocator(Strategy):
    """Tells one half another story than the other: proposals, votes on them, and blocks."""

    name = "equivocator"

    def versions(self, node: "SimNode", peer: int, message: Message) -> list[tuple[int, Message]]:
        told = self._second(node, peer, message)
        # Now and then both stories to one: the first has to stand.
        both = told is not message and self.random.random() < 0.2
        return [(0, told), (self.random.randint(0, 10), message)] if both else [(0, told)]

    def _second(self, node: "SimNode", peer: int, message: Message) -> Message:
        if isinstance(message, BlockVote):
            if self.random.random() < 0.3:
                return self.sign(node, structs.replace(message, header_hash=bytes(32)))
            return message
        if not isinstance(message, PrePrepare | Prepare | Commit):
            return message
        if message.replica != node.number or not self.collusion.is_second_side(message.view, peer):
            return message
        second = self.collusion.second
        if isinstance(message, Prepare | Commit):
            other = second.get(message.digest)
            return message if other is None else self.sign(node, structs.replace(message, digest=other))
        if not message.refs:
            return message
        chain_id = node.world.chain.chain_id
        refs = message.refs[:-1] if len(message.refs) > 1 and message.time_ms % 2 else message.refs
        changed = structs.replace(message, time_ms=message.time_ms + 1, refs=refs)
        second[message.digest(chain_id)] = changed.digest(chain_id)
        return self.sign(node, changed)


class Twins(Strategy):
    """One key, two processes (Bano et al. 2021): both are honest code, and neither knows of the other. Who is
    linked with which of them changes all the time."""

    name = "twins"

    def hears(self, frame: Frame) -> Frame:
        return OwnVotes(()) if isinstance(frame, OwnVotes) else frame


class Forger(Strategy):
    """Shows certificates that no quorum gave: too few votes, the same vote again and again, or the votes of
    another height."""

    name = "forger"

    def versions(self, node: "SimNode", peer: int, message: Message) -> list[tuple[int, Message]]:
        if isinstance(message, Certified):
            hollow = structs.replace(message, certificate=self._hollow(message.certificate))
            return [(0, hollow), (0, message)]
        if isinstance(message, ViewChange) and (message.prepared or message.stable):
            stable = message.stable and self._hollow(message.stable)
            prepared = tuple(
                structs.replace(one, prepares=self._few(one.prepares)) for one in message.prepared
            )
            return [(0, self.sign(node, structs.replace(message, stable=stable, prepared=prepared)))]
        if isinstance(message, BlockVote) and self.random.random() < 0.2:
            return [(0, message), (0, Certified(self._alone(node, message), node.number))]
        return [(0, message)]

    def _alone(self, node: "SimNode", vote: BlockVote) -> QuorumCertificate:
        """A certificate for another block, with this member's vote in place of everybody's."""
        other = self.sign(node, structs.replace(vote, header_hash=bytes(32)))
        votes = (Vote(node.number, other.signature),) * node.world.chain.members.quorum
        return QuorumCertificate(vote.epoch, vote.height, other.header_hash, votes)

    def frame(self, node: "SimNode", peer: int, frame: Frame) -> Frame | None:
        if not isinstance(frame, Blocks) or self.random.random() < 0.3:
            return frame
        decoded = [decode(block, CertifiedBlock, limit_bytes=len(block)) for block in frame.blocks]
        hollow = [
            structs.replace(block, certificate=block.certificate and self._hollow(block.certificate))
            for block in decoded
        ]
        # And the last one says what was never said.
        changed = [*hollow[:-1], *(self._invented(block) for block in hollow[-1:])]
        return Blocks(tuple(encode(block) for block in changed), frame.tip_height)

    def _invented(self, block: CertifiedBlock) -> CertifiedBlock:
        header = structs.replace(block.header, time_ms=block.header.time_ms + 1)
        certificate = block.certificate
        if certificate is not None:
            certificate = structs.replace(certificate, header_hash=header.hash())
        return structs.replace(block, header=header, certificate=certificate)

    def _hollow(self, certificate: QuorumCertificate) -> QuorumCertificate:
        if self.random.random() < 0.3:
            return structs.replace(certificate, height=certificate.height + 1)
        return structs.replace(certificate, votes=self._few(certificate.votes))

    def _few(self, votes: tuple[Vote, ...]) -> tuple[Vote, ...]:
        return votes[:1] * len(votes) if self.random.random() < 0.5 else votes[:-1]


class Forgetful(Strategy):
    """Asks for views without showing what it prepared and saw certified."""

    name = "forgetful"

    def versions(self, node: "SimNode", peer: int, message: Message) -> list[tuple[int, Message]]:
        if isinstance(message, ViewChange):
            stable = None if self.random.random() < 0.5 else message.stable
            return [(0, self.sign(node, structs.replace(message, stable=stable, prepared=())))]
        return [(0, message)]


class Hasty(Strategy):
    """Commits what it has only heard of, and asks for views that nobody needs."""

    name = "hasty"

    def versions(self, node: "SimNode", peer: int, message: Message) -> list[tuple[int, Message]]:
        said: list[tuple[int, Message]] = [(0, message)]
        if isinstance(message, Prepare) and message.replica == node.number:
            early = Commit(message.epoch, message.view, message.sequence, message.digest, node.number)
            said.append((0, self.sign(node, early)))
            if self.random.random() < 0.05:
                ahead = message.view + self.random.choice((1, 2, 1_000_000))
                said.append((0, self.sign(node, ViewChange(message.epoch, ahead, None, (), node.number))))
        return said


class Withholder(Strategy):
    """Proposes what it serves to nobody, or to one member only."""

    name = "withholder"

    def frame(self, node: "SimNode", peer: int, frame: Frame) -> Frame | None:
        if isinstance(frame, Batch | BatchOffer):
            favoured = (node.number + 1) % node.world.chain.members.n
            return frame if peer == favoured and self.random.random() < 0.5 else None
        return frame


class Spoiler(Strategy):
    """Serves batches that are not what they are asked for: a bit is flipped in every second one."""

    name = "spoiler"

    def frame(self, node: "SimNode", peer: int, frame: Frame) -> Frame | None:
        return Batch(_spoiled(frame.batch, self.random)) if isinstance(frame, Batch) else frame


class Liar(Strategy):
    """Claims heights that nobody reached, serves blocks and pieces that prove nothing, and denies votes."""

    name = "liar"

    def frame(self, node: "SimNode", peer: int, frame: Frame) -> Frame | None:
        if isinstance(frame, Status):
            return Status(frame.height + self.random.choice((0, 3, 1_000)), frame.view)
        if isinstance(frame, Blocks):
            blocks = self._twisted(frame.blocks)
            return Blocks(blocks, frame.tip_height + self.random.choice((0, 50)))
        if isinstance(frame, OwnVotes):
            return OwnVotes(())
        if isinstance(frame, Piece):
            return structs.replace(frame, data=_spoiled(frame.data, self.random))
        if isinstance(frame, SnapshotOffer) and self.random.random() < 0.3:
            header = decode(frame.header, BlockHeader, limit_bytes=len(frame.header))
            return structs.replace(frame, header=encode(structs.replace(header, height=header.height + 8)))
        return frame

    def _twisted(self, blocks: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Bits flipped, or every certificate but the last held back."""
        if self.random.random() < 0.5 or not blocks:
            return tuple(_spoiled(block, self.random) for block in blocks)
        decoded = [decode(block, CertifiedBlock, limit_bytes=len(block)) for block in blocks[:-1]]
        bare = [encode(structs.replace(block, certificate=None)) for block in decoded]
        return (*bare, blocks[-1])


class Mutator(Strategy):
    """Sends twisted copies and old messages among the true ones."""

    name = "mutator"

    def __init__(self, collusion: Collusion, random: Random) -> None:
        super().__init__(collusion, random)
        self._old: list[Message] = []

    def versions(self, node: "SimNode", peer: int, message: Message) -> list[tuple[int, Message]]:
        said: list[tuple[int, Message]] = [(0, message)]
        chance = self.random.random()
        if chance < 0.15 and isinstance(message, SignedMessage) and message.replica == node.number:
            said.insert(self.random.randint(0, 1), (0, self._twisted(node, message)))
        elif chance < 0.25 and self._old:
            said.append((0, self.random.choice(self._old)))
        if len(self._old) < REPLAYED_MESSAGES:
            self._old.append(message)
        return said

    def _twisted(self, node: "SimNode", message: M) -> Message:
        if self.random.random() < 0.7:
            return self.sign(node, off_by_one(message, self.random))
        # Of another epoch, or a signature from there under a message of this one.
        stray = self.sign(node, of_another_epoch(message, self.random))
        return stray if self.random.random() < 0.5 else structs.replace(stray, epoch=message.epoch)


class Selective(Strategy):
    """Forgets some members, a while each."""

    name = "selective"

    def versions(self, node: "SimNode", peer: int, message: Message) -> list[tuple[int, Message]]:
        period = node.world.scheduler.now_ms // 700
        deaf = self.collusion.is_second_side(1_000_000 + period, peer)
        return [] if deaf else [(0, message)]


def _spoiled(data: bytes, random: Random) -> bytes:
    if random.random() < 0.5:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
