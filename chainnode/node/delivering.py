"""Releases on their way, wired together: who is owed what, both sides of a delivery, the receipts of it."""

from collections.abc import Callable, Coroutine
from typing import Any

from structlog.stdlib import BoundLogger

from chainnode.ledger.records import Event
from chainnode.net import wire
from chainnode.node.admissions import Admissions
from chainnode.node.clock import wall_ms
from chainnode.node.combining import Combining
from chainnode.node.courier import Courier
from chainnode.node.executor import EVENT_RELEASED, EVENTS_OF_DEALINGS
from chainnode.node.filing import Filing
from chainnode.node.freshness import Freshness
from chainnode.node.network import Network
from chainnode.node.opening import Opened
from chainnode.node.openingrows import OpeningRows
from chainnode.node.openings import Openings
from chainnode.node.postroom import POST_FRAMES, Postroom
from chainnode.node.receiver import Receiver
from chainnode.node.releases import Releases
from chainnode.node.sharestore import SHARES_FOLDER, ShareStore
from chainnode.node.sharing import Sharing
from chainnode.node.stash import Stash
from chainnode.node.trusteeing import Trusteeing
from chainnode.node.trusteeship import Roster, Trusteeship
from chainnode.node.waiters import Waiters
from chainnode.node.wraps import Wraps
from consensus.types import ReplicaId


class Delivering:
    def __init__(
        self,
        opened: Opened,
        network: Network,
        *,
        linked: Callable[[ReplicaId], bool],
        admissions: Admissions,
        waiters: Waiters,
        stash: Stash,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        log: BoundLogger,
    ) -> None:
        """`linked`: whether the link to a peer is up; `spawn`: run this beside everything else."""
        self._member = opened.member.number
        self._network = network
        self._peer_is_linked = linked
        executor, submit_own = opened.executor, admissions.submit_own
        self.roster, self.trusteeship = Roster(opened.genesis, opened.members), _trusteeship(opened)
        self.releases = Releases(executor.state, executor.row, wall_ms)
        self.filing = Filing(submit_own, lambda: executor.certified_header.height, log)
        shared: dict[str, Any] = {
            "member": self._member,
            "releases": self.releases,
            "executor": executor,
            "stash": stash,
            "objects": opened.pool.objects,
            "filing": self.filing,
            "log": log,
        }
        freshness = Freshness(member=self._member, executor=executor, submit_own=submit_own, log=log)
        openings, trusteeing = self._openings(opened, stash, freshness, log)
        courier = Courier(
            local_key=opened.keys.local_key,
            frame_bytes=opened.genesis.parameters.frame_bytes,
            freshness=freshness,
            wraps=Wraps(executor.state, opened.pool.recipients, log),
            linked=self._linked,
            send=self._post,
            **shared,
        )
        self.receiver = Receiver(
            chain_id=opened.genesis.chain_id,
            openings=openings,
            offer=self._offer_post,
            reached=waiters.height,
            **shared,
        )
        self.postroom = Postroom(
            member=self._member,
            courier=courier,
            receiver=self.receiver,
            openings=openings,
            trusteeing=trusteeing,
            executor=executor,
            store=opened.store,
            spawn=spawn,
            log=log,
        )
        self.sharing = self._sharing(opened, stash, admissions, log)
        self._register()

    def _register(self) -> None:
        for kind in POST_FRAMES:
            self._network.handle(kind, self.postroom.take)
        for shares in (wire.ShareDelivery, wire.ShareAnswer):
            self._network.handle(shares, self.sharing.take)

    def _sharing(self, opened: Opened, stash: Stash, admissions: Admissions, log: BoundLogger) -> Sharing:
        """Shares of class keys on their way, from here and to the trustee that this node hosts."""
        return Sharing(
            member=self._member,
            chain_id=opened.genesis.chain_id,
            validity_heights=opened.genesis.parameters.validity_heights,
            roster=self.roster,
            trusteeship=self.trusteeship,
            executor=opened.executor,
            store=opened.store,
            stash=stash,
            admissions=admissions,
            linked=self._linked,
            send=self._network.send,
            log=log,
        )

    def _openings(
        self, opened: Opened, stash: Stash, freshness: Freshness, log: BoundLogger
    ) -> tuple[Openings, Trusteeing | None]:
        """The requester's and, where this node hosts a trustee, its side of standing consents."""
        chain_id, rows = opened.genesis.chain_id, OpeningRows(opened.store)
        shared: dict[str, Any] = {
            "frame_bytes": opened.genesis.parameters.frame_bytes,
            "roster": self.roster,
            "releases": self.releases,
            "executor": opened.executor,
            "freshness": freshness,
            "log": log,
        }
        openings = Openings(
            member=self._member,
            stash=stash,
            rows=rows,
            combining=Combining(chain_id=chain_id, roster=self.roster, rows=rows, log=log),
            linked=self._linked,
            offer=self._offer_post,
            **shared,
        )
        if self.trusteeship is None:
            return openings, None
        return openings, Trusteeing(
            chain_id=chain_id, trusteeship=self.trusteeship, send=self._post, **shared
        )

    def work(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs until it is cancelled."""
        return self.postroom.run(), self.filing.run(), self.sharing.run()

    def recover(self) -> None:
        """After a start: whatever the state says is still to be done."""
        self.postroom.recover()
        self.sharing.recover()

    def certified(self, event: Event) -> None:
        """An event of a block that was certified."""
        if event.kind == EVENT_RELEASED:
            self.postroom.released(event.subjects[0])
        elif event.kind in EVENTS_OF_DEALINGS:
            self.sharing.note(*event.subjects)

    async def _post(self, peer: ReplicaId, frame: wire.Frame) -> bool:
        """A release to a project of this very hospital takes the same way, without a link."""
        if peer != self._member:
            return await self._network.send(peer, frame)
        return self.postroom.post(peer, frame)

    def _linked(self, peer: ReplicaId) -> bool:
        return peer == self._member or self._peer_is_linked(peer)

    def _offer_post(self, peer: ReplicaId, frame: wire.Frame) -> bool:
        own = peer == self._member
        return self.postroom.post(peer, frame) if own else self._network.offer(peer, frame)


def _trusteeship(opened: Opened) -> Trusteeship | None:
    """Raises OperatorError STO-04."""
    if opened.trustee is None:
        return None
    seat, keys = opened.trustee
    shares = ShareStore(opened.config.home / SHARES_FOLDER, keys.kem)
    return Trusteeship(seat, keys, shares, opened.executor.state)
