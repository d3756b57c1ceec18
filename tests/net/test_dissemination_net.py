"""Four Disseminations over a network that loses, reorders and cuts: everybody comes to hold every batch."""

import random

import pytest

from chainnode.ledger.transaction import BatchBody, SignedBatch, batch_digest, batch_ref
from chainnode.net.actions import Actions
from chainnode.net.dissemination import Dissemination
from consensus.codec import decode
from consensus.types import BatchRef, Digest
from tests.net.test_dissemination import at, node, submission


def ref_of(batch: SignedBatch) -> BatchRef:
    return batch_ref(decode(batch.body, BatchBody, limit_bytes=1_000_000), batch.body)


class LossyNet:
    def __init__(self, seed: int, size: int = 4) -> None:
        self.random = random.Random(seed)
        self.nodes: list[Dissemination] = [node(member) for member in range(size)]
        self.stores: list[dict[Digest, SignedBatch]] = [{} for _ in range(size)]
        self.up: set[tuple[int, int]] = set()
        self.flying: list[tuple[int, int, str, object]] = []
        self.ms = 0
        self.loss = 0.3

    def carry_out(self, member: int, actions: Actions) -> None:
        store = self.stores[member]
        for hold in actions.hold:
            store[hold.ref.digest] = hold.batch
        for push in actions.push:
            for peer in push.to:
                self.send(member, peer, "batch", push.batch)
        for serve in actions.serve:
            kind = "batch" if serve.digest in store else "missing"
            self.send(member, serve.to, kind, store.get(serve.digest, serve.digest))
        for offer in actions.offer:
            self.send(member, offer.to, "offer", offer.digests)
        for request in actions.request:
            self.send(member, request.to, "request", request.digest)

    def send(self, member: int, peer: int, kind: str, what: object) -> None:
        if (member, peer) in self.up and self.random.random() > self.loss:
            self.flying.append((member, peer, kind, what))

    def deliver(self) -> None:
        self.random.shuffle(self.flying)
        for _ in range(len(self.flying) // 2 + 1):
            if not self.flying:
                return
            source, target, kind, what = self.flying.pop()
            made, now = self.nodes[target], at(self.ms)
            if kind == "batch":
                actions = made.batch_from_peer(source, what, ref_of(what), now)
            elif kind == "offer":
                actions = made.offer_from_peer(source, what, now)
            elif kind == "request":
                actions = made.request_from_peer(source, what, now)
            else:
                actions = made.missing_from_peer(source, what, now)
            self.carry_out(target, actions)

    def flip(self, one: int, other: int, *, up: bool) -> None:
        for member, peer in ((one, other), (other, one)):
            if up and (member, peer) not in self.up:
                self.up.add((member, peer))
                self.carry_out(member, self.nodes[member].link_up(peer, at(self.ms)))
            elif not up and (member, peer) in self.up:
                self.up.discard((member, peer))
                self.carry_out(member, self.nodes[member].link_down(peer, at(self.ms)))

    def step(self) -> None:
        self.ms += self.random.randrange(1, 200)
        self.deliver()
        for member, made in enumerate(self.nodes):
            self.carry_out(member, made.tick(at(self.ms)))


@pytest.mark.parametrize("seed", range(10))
def test_every_node_comes_to_hold_every_batch_once_the_network_heals(seed: int) -> None:
    net = LossyNet(seed)
    pairs = [(one, other) for one in range(4) for other in range(one)]
    for number in range(60):
        member = net.random.randrange(4)
        made = net.nodes[member]
        taken = made.submit(
            submission(f"{number}"), client=str(number % 3), valid_until_height=500, now=at(net.ms)
        )
        net.carry_out(member, taken)
        one, other = net.random.choice(pairs)
        net.flip(one, other, up=net.random.random() < 0.6)
        net.step()
    net.loss = 0.0
    for one, other in pairs:
        net.flip(one, other, up=True)
    for _ in range(400):
        net.step()
    everything = {digest for store in net.stores for digest in store}
    assert (
        sum(len(decode(b.body, BatchBody, limit_bytes=10**6).transactions) for b in net.stores[0].values())
        == 60
    )
    for store in net.stores:
        assert store.keys() == everything
        assert all(batch_digest(batch.body) == digest for digest, batch in store.items())
