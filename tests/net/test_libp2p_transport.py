"""The libp2p transport keeps the contract of transports."""

from chainnode.net.libp2p_transport import Libp2pTransport
from chainnode.net.port import Tap, Transport, TransportConfig
from tests.net.changing_contract import ChangingContract
from tests.net.transport_contract import TransportContract


class TestLibp2pTransport(TransportContract):
    @staticmethod
    def make(made: TransportConfig, tap: Tap | None) -> Transport:
        return Libp2pTransport(made, tap)


class TestLibp2pTransportChanging(ChangingContract):
    @staticmethod
    def make(made: TransportConfig, tap: Tap | None) -> Transport:
        return Libp2pTransport(made, tap)
