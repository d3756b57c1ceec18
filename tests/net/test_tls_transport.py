"""The TLS transport keeps the contract of transports."""

import asyncio

import uvloop

from chainnode.net.port import Channel, Tap, Transport, TransportConfig
from chainnode.net.tls_transport import TlsTransport
from tests.net.changing_contract import ChangingContract
from tests.net.transport_contract import TransportContract
from tests.net.transport_net import Net, frame


class TestTlsTransport(TransportContract):
    @staticmethod
    def make(made: TransportConfig, tap: Tap | None) -> Transport:
        return TlsTransport(made, tap)


class TestTlsTransportChanging(ChangingContract):
    @staticmethod
    def make(made: TransportConfig, tap: Tap | None) -> Transport:
        return TlsTransport(made, tap)


def test_four_nodes_in_one_process_run_under_uvloop() -> None:
    async def main() -> list[bytes]:
        net = Net(TlsTransport)
        try:
            group = await net.group(4)
            for peer in range(1, 4):
                assert group[0].try_send(peer, Channel.VOTES, b"to %d" % peer)
            return [(await frame(group[peer])).frame for peer in range(1, 4)]
        finally:
            await net.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == [b"to 1", b"to 2", b"to 3"]
