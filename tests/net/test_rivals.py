"""Two processes under one key: the live link stays, the second is turned away, and both ends know it."""

import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from chainnode.net.libp2p_transport import Libp2pTransport
from chainnode.net.port import Channel, CloseReason, LinkStatus, Peer
from chainnode.net.rivals import RECENT_S, RIVALS_TOLD, Rivals
from chainnode.net.tls_transport import TlsTransport
from chainnode.node.rivalry import rival_alarms
from tests.net.transport_net import LIMITS, Net, address, config, event, frame, key, until

PATIENT = replace(LIMITS, silent_after_ms=40_000)
"""Nothing counts as silence here, and an answer is waited for a quarter of it."""


@pytest.fixture(params=[Libp2pTransport, TlsTransport], ids=["libp2p", "tls"])
async def net(request: pytest.FixtureRequest) -> AsyncIterator[Net]:
    made = Net(request.param)
    yield made
    await made.close()


async def test_a_second_process_under_a_key_is_turned_away_while_the_first_one_answers(net: Net) -> None:
    with capture_logs() as logs:
        high = await net.start(config(1, {0: Peer(key(0))}, limits=PATIENT))
        peers = {1: Peer(key(1), address(high))}
        first = await net.start(config(0, peers, limits=PATIENT))
        await event(high, 0, up=True)
        before = high.links()[0]
        second = await net.start(config(0, peers, limits=PATIENT))
        await until(lambda: second.links()[1].refusals >= RIVALS_TOLD)
        assert second.links()[1].reason is CloseReason.KEY_IN_USE
    after = high.links()[0]
    assert after.rivals >= RIVALS_TOLD and after.refusals == 0
    assert (after.up, after.since_ms, after.address) == (True, before.since_ms, before.address), (
        "it never broke"
    )
    assert first.try_send(1, Channel.VOTES, b"undisturbed")
    assert (await frame(high)).frame == b"undisturbed"
    said = [line["event"] for line in logs if line["log_level"] == "warning"]
    assert said.count("two processes use one member's key") == 1
    assert said.count("another process uses this member's key") == 1
    await net.stop(first)
    await event(second, 1, up=True)
    await until(lambda: high.links()[0].up and high.links()[0].address != before.address)


async def test_a_link_that_does_not_answer_makes_room_for_a_new_one_long_before_it_counts_as_silent(
    net: Net,
) -> None:
    high = await net.start(config(1, {0: Peer(key(0))}, limits=replace(LIMITS, silent_after_ms=8_000)))
    peers = {1: Peer(key(1), address(high))}
    process, _ = await net.process(config(0, peers))
    await event(high, 0, up=True)
    process.send_signal(signal.SIGSTOP)
    await net.start(config(0, peers, limits=PATIENT))
    assert (await event(high, 0, up=False)).reason is CloseReason.REPLACED
    await event(high, 0, up=True)
    assert high.links()[0].rivals == 0


def test_rivals_are_counted_until_a_minute_passes_without_one() -> None:
    at = [0.0]
    rivals = Rivals(lambda: at[0])
    assert rivals.count(1, own=False) == 0
    for count in range(1, 4):
        at[0] += RECENT_S
        assert rivals.seen(1, own=False) == count
    assert (rivals.count(1, own=False), rivals.count(1, own=True), rivals.count(2, own=False)) == (3, 0, 0)
    at[0] += RECENT_S + 1
    assert rivals.count(1, own=False) == 0 and rivals.seen(1, own=False) == 1


def test_both_ends_of_a_contested_link_raise_an_alarm() -> None:
    names = {1: "hospital-b", 2: "hospital-c"}
    assert rival_alarms({1: LinkStatus(1, True, 0, rivals=RIVALS_TOLD - 1)}, names) == ()
    own, others = rival_alarms(
        {1: LinkStatus(1, False, 0, refusals=RIVALS_TOLD), 2: LinkStatus(2, True, 0, rivals=RIVALS_TOLD)},
        names,
    )
    assert own.startswith("another process uses this member's key: hospital-b has a live link with it")
    assert others.startswith("hospital-c connects from two processes")
