"""What every transport must do where members change while it runs. See transport_contract."""

from collections.abc import AsyncIterator

import pytest
from nacl.signing import SigningKey

from chainnode.net.port import Channel, CloseReason, Peer, Tap, Transport, TransportConfig
from tests.net.transport_net import Net, address, config, event, frame, key, seed, until

NEW = bytes([77]) * 32
"""Seed of another transport key."""


def reaching(transport: Transport, member: int, **more: object) -> Peer:
    return Peer(key(member), address(transport), "out", **more)  # type: ignore[arg-type]


class ChangingContract:
    @staticmethod
    def make(made: TransportConfig, tap: Tap | None) -> Transport:
        raise NotImplementedError

    @pytest.fixture
    async def net(self) -> AsyncIterator[Net]:
        made = Net(self.make)
        yield made
        await made.close()

    async def test_one_that_is_added_gets_in_and_was_a_stranger_before(self, net: Net) -> None:
        low = await net.start(config(0, {}))
        high = await net.start(config(1, {0: reaching(low, 0)}))
        assert not low.try_send(1, Channel.VOTES, b"to nobody")
        await until(lambda: high.links()[0].reason is not None)
        assert not high.links()[0].up
        low.change({1: Peer(key(1), None, "in")}, seed(0))
        await event(low, 1, up=True)
        await event(high, 0, up=True)
        assert low.try_send(1, Channel.VOTES, b"welcome")
        assert (await frame(high)).frame == b"welcome"
        assert set(low.links()) == {1}

    async def test_one_that_is_added_with_an_address_is_dialled(self, net: Net) -> None:
        high = await net.start(config(1, {0: Peer(key(0), None, "in")}))
        low = await net.start(config(0, {}))
        low.change({1: reaching(high, 1)}, seed(0))
        await event(low, 1, up=True)
        assert low.links()[1].dialled_by == 0

    async def test_one_that_is_removed_loses_its_link_and_gets_none_again(self, net: Net) -> None:
        low, high = await net.pair()
        low.change({}, seed(0))
        assert (await event(low, 1, up=False)).reason is CloseReason.REMOVED
        await event(high, 0, up=False)
        assert low.links() == {}
        assert not low.try_send(1, Channel.BULK, b"to nobody")
        assert not await low.send(1, Channel.BULK, b"to nobody")

    async def test_other_links_stay_up_while_one_is_removed_or_added(self, net: Net) -> None:
        group = await net.group(3)
        since = group[0].links()[1].since_ms
        kept = reaching(group[1], 1)
        group[0].change({1: Peer(kept.transport_key, kept.address, "auto")}, seed(0))
        await event(group[0], 2, up=False)
        assert group[0].try_send(1, Channel.VOTES, b"still here")
        assert (await frame(group[1])).frame == b"still here"
        assert group[0].links()[1].up and group[0].links()[1].since_ms == since

    async def test_a_member_that_takes_another_key_is_known_by_both_until_the_old_one_goes(
        self, net: Net
    ) -> None:
        high = await net.start(config(1, {0: Peer(key(0), None, "in")}))
        low = await net.start(config(0, {1: reaching(high, 1)}))
        await event(low, 1, up=True)
        new = _public(NEW)
        # Told before the other switches: the link stays.
        low.change({1: reaching(high, 1, next_key=new)}, seed(0))
        assert low.try_send(1, Channel.VOTES, b"old key")
        assert (await frame(high)).frame == b"old key"
        # The other switches: the link comes up again under the new key.
        high.change({0: Peer(key(0), None, "in")}, NEW)
        assert (await event(high, 0, up=False)).reason is CloseReason.REPLACED
        await event(low, 1, up=False)
        await event(low, 1, up=True)
        # The old key is forgotten, and the link under the new one stays.
        low.change({1: Peer(new, address(high), "out")}, seed(0))
        assert low.try_send(1, Channel.VOTES, b"new key")
        assert (await frame(high)).frame == b"new key"
        assert low.links()[1].up

    async def test_a_key_that_is_no_longer_taken_ends_the_link(self, net: Net) -> None:
        low, high = await net.pair()
        low.change({1: Peer(_public(NEW), address(high), "in")}, seed(0))
        assert (await event(low, 1, up=False)).reason is CloseReason.REMOVED
        assert not low.links()[1].up

    async def test_a_key_that_two_members_present_is_the_first_ones(self, net: Net) -> None:
        low, high = await net.pair()
        low.change({1: Peer(key(1), address(high), "auto"), 2: Peer(key(1), None, "in")}, seed(0))
        assert low.try_send(1, Channel.VOTES, b"yours")
        assert (await frame(high)).frame == b"yours"
        assert low.links()[1].up and not low.links()[2].up


def _public(secret: bytes) -> bytes:
    return bytes(SigningKey(secret).verify_key)
