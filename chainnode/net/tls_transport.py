"""The TLS 1.3 transport. Nothing of ssl shows in what it gives out."""

from chainnode.net.front import FrontedTransport
from chainnode.net.port import Tap, TransportConfig
from chainnode.net.tls_host import TlsHost


class TlsTransport(FrontedTransport):
    """See port.Transport. Its links run in the loop that starts it."""

    def __init__(self, config: TransportConfig, tap: Tap | None = None) -> None:
        super().__init__(TlsHost, config, tap)
