"""The libp2p transport. Nothing of libp2p or trio shows in what it gives out."""

from chainnode.net.front import FrontedTransport
from chainnode.net.libp2p_bridge import HostThread
from chainnode.net.port import Tap, TransportConfig


class Libp2pTransport(FrontedTransport):
    """See port.Transport. Each has a thread of its own, in which trio runs the links."""

    def __init__(self, config: TransportConfig, tap: Tap | None = None) -> None:
        super().__init__(HostThread, config, tap)
