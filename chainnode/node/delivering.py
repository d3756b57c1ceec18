"""Releases on their way, wired together: who is owed what, both sides of a delivery, the receipts of it."""

from collections.abc import Callable, Coroutine
from typing import Any

from structlog.stdlib import BoundLogger

from chainnode.net import wire
from chainnode.node.admissions import Admissions
from chainnode.node.clock import wall_ms
from chainnode.node.courier import Courier
from chainnode.node.filing import Filing
from chainnode.node.freshness import Freshness
from chainnode.node.network import Network
from chainnode.node.opening import Opened
from chainnode.node.postroom import POST_FRAMES, Postroom
from chainnode.node.receiver import Receiver
from chainnode.node.releases import Releases
from chainnode.node.stash import Stash
from chainnode.node.waiters import Waiters
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
        courier = Courier(
            local_key=opened.keys.local_key,
            frame_bytes=opened.genesis.parameters.frame_bytes,
            freshness=Freshness(member=self._member, executor=executor, submit_own=submit_own, log=log),
            linked=self._linked,
            send=self._post,
            **shared,
        )
        self.receiver = Receiver(
            chain_id=opened.genesis.chain_id,
            offer=self._offer_post,
            reached=waiters.height,
            **shared,
        )
        self.postroom = Postroom(
            member=self._member,
            courier=courier,
            receiver=self.receiver,
            executor=executor,
            store=opened.store,
            spawn=spawn,
            log=log,
        )
        for kind in POST_FRAMES:
            network.handle(kind, self.postroom.take)

    def work(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs until it is cancelled."""
        return self.postroom.run(), self.filing.run()

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
