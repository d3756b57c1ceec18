"""The TLS transport keeps the contract of transports."""

from chainnode.net.port import Tap, Transport, TransportConfig
from chainnode.net.tls_transport import TlsTransport
from tests.net.changing_contract import ChangingContract
from tests.net.transport_contract import TransportContract


class TestTlsTransport(TransportContract):
    @staticmethod
    def make(made: TransportConfig, tap: Tap | None) -> Transport:
        return TlsTransport(made, tap)


class TestTlsTransportChanging(ChangingContract):
    @staticmethod
    def make(made: TransportConfig, tap: Tap | None) -> Transport:
        return TlsTransport(made, tap)
