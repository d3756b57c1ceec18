"""What an operator is to be told of, apart from the node's own work: peers and clocks, the disk, evidence."""

from collections.abc import Callable, Coroutine
from typing import Any

from structlog.stdlib import BoundLogger

from chainnode.ledger import features
from chainnode.net import wire
from chainnode.node.leftviews import LeftViews
from chainnode.node.opening import Opened
from chainnode.node.peers import Peers
from chainnode.node.reserve import MB, DiskReserve, free_bytes
from chainnode.node.restored import Restored
from chainnode.node.turn import Turn
from chainnode.node.witness import Witness
from consensus.replica import Replica
from consensus.types import ReplicaId

CLOCK_RULE = "clock"
"""Of a rejection whose detail is the time that a peer proposed."""

Tell = Callable[[ReplicaId | None, wire.Frame], None]


class Watch:
    def __init__(self, opened: Opened, tell: Tell, log: BoundLogger) -> None:
        """`tell`: a peer or all of them (None), where their links speak the frame's version.

        Raises OperatorError NOD-06.
        """
        genesis, config = opened.genesis, opened.config
        folders = {config.home, config.store_folder, config.pool.folder}
        self._opened = opened
        self._member = opened.member.number
        self._log = log
        self._told_lack = ""
        self.restored = Restored(opened.store, [one.validator.public for one in opened.all_keys])
        self.peers = Peers(
            [one.number for one in genesis.members if one.number != self._member],
            genesis.parameters.clock_skew_ms,
            log,
        )
        self.reserve = DiskReserve(
            config.home,
            config.reserve_mb * MB,
            log,
            # They may lie on disks of their own.
            free=lambda _: min(free_bytes(folder) for folder in folders),
        )
        self.witness = Witness(
            chain_id=genesis.chain_id,
            rows=opened.store,
            replica_sets=opened.replica_sets,
            verify=opened.verify,
            message_bytes=genesis.parameters.frame_bytes,
            tell=tell,
            state=lambda: opened.executor.state,
            log=log,
        )

        self.left_views = LeftViews(genesis.parameters, lambda: opened.executor.state, opened.replica_sets)

    def note(self, turn: Turn, replica: Replica) -> None:
        """What a turn brought of peers that lie or whose clocks are off, and of own votes that are missing;
        it is durable already."""
        self._note_lack(replica)
        if self.restored.asking and not replica.asking:
            self.restored.heard()
        if self.restored.marked and turn.certified and replica.status().voting:
            self.restored.safe()
        for committed in turn.left:
            self.left_views.note(committed)
        for evidence in turn.evidence:
            self.witness.seen(evidence)
        for rejection in turn.rejections:
            if rejection.rule == CLOCK_RULE:
                self.peers.proposed(rejection.replica, int(rejection.detail))

    def _note_lack(self, replica: Replica) -> None:
        """In the log, once for each thing that is wrong with the votes that this node holds of itself."""
        height, lack = replica.held_back
        if not lack or lack == self._told_lack:
            return
        self._told_lack = lack
        if self.restored.marked:
            self._log.info("follows without voting", because=lack, until_height=height)
            return
        damage = self._opened.votes.damage
        self._log.error(
            "own votes missing",
            because=lack,
            file=damage.file if damage is not None else "",
            until_height=height,
            does=f"follows, and casts no vote before height {height} has a certificate",
            hint="look at the disk, at old copies of the home, and for a second process with this key",
        )

    def alarms(self) -> tuple[str, ...]:
        """What is to be mended, a sentence each."""
        clocks = self.peers.clock_trouble()
        troubles = (self.restored.trouble, self.reserve.trouble, clocks, self.witness.trouble)
        return (*filter(None, troubles), *self._features())

    def _features(self) -> tuple[str, ...]:
        return tuple(
            f"from height {one.from_height} on the chain uses {one.name}, which this release does not have: "
            "install one that has it before that"
            for one in features.unknown(self._opened.executor.state)
        )

    def work(self, submit_own: Any) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs until it is cancelled. Raises OperatorError NOD-04."""
        return (
            self.reserve.run(),
            self.witness.run(submit_own, self._member),
            self.left_views.run(
                submit_own, self._member, lambda: self._opened.executor.tip.height, self._log
            ),
        )
