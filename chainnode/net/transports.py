"""The transports by the names that a genesis document has for them."""

from importlib import import_module

from chainnode.net.port import Tap, Transport, TransportConfig

_HOMES = {
    "libp2p": ("chainnode.net.libp2p_transport", "Libp2pTransport"),
    "tls": ("chainnode.net.tls_transport", "TlsTransport"),
}


def transport_of(name: str, config: TransportConfig, tap: Tap | None = None) -> Transport:
    """The transport of that name, of genesis.model.TRANSPORTS. What it needs is imported here: the libraries
    of libp2p hold some 40 MB, which a node on TLS does without."""
    module, kind = _HOMES[name]
    made: Transport = getattr(import_module(module), kind)(config, tap)
    return made
