"""Who is who over TLS: certificates made of transport keys, and contexts that take the members' keys alone.

A member's certificate is made at start, of its Ed25519 transport key and signed by it. Python's ssl has no
callback to judge a certificate with, and no way to ask a client for one without verifying it. So each
member's key is turned here into a trust anchor: a certificate for that key, of a key that is thrown away,
which OpenSSL trusts for being in the store. What verifies against it was signed by the member's key; whose
key the TLS connection itself has is compared after that, by the bytes. See ADR 0013.
"""

import os
import ssl
from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

ALPN = "chainnode/1"
"""What is spoken inside: lanes (see tls_wire)."""
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h, without a name in Python's ssl: keys do not expire."""
_BEGINNING = datetime(1970, 1, 1)
_NO_END = datetime(9999, 12, 31, 23, 59, 59)
"""No well-defined expiry (RFC 5280, 4.1.2.5)."""


class Credentials:
    """The contexts of one member, for connections that come in and that it makes."""

    def __init__(self, seed: bytes, keys: Iterable[bytes]) -> None:
        """`seed`: 32 bytes of its Ed25519 transport key; `keys`: the public keys that it takes of others."""
        own = Ed25519PrivateKey.from_private_bytes(seed)
        pem = certificate(own, own.public_key()).public_bytes(Encoding.PEM)
        pem += own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        thrown_away = Ed25519PrivateKey.generate()
        anchors = b"".join(_anchor(key, thrown_away).public_bytes(Encoding.DER) for key in keys)
        self.inbound = context(ssl.PROTOCOL_TLS_SERVER, pem, anchors)
        self.outbound = context(ssl.PROTOCOL_TLS_CLIENT, pem, anchors)


def certificate(
    signer: Ed25519PrivateKey, key: Ed25519PublicKey, *, end: datetime = _NO_END
) -> x509.Certificate:
    """`signer`'s certificate for `key`, which is its own where it is honest."""
    issuer = signer.public_key().public_bytes_raw().hex()
    return _build("chainnode link", issuer, key, end, is_anchor=False).sign(signer, None)


def certified_key(der: bytes) -> bytes:
    """The Ed25519 key that a certificate is for, 32 bytes. Raises ValueError where there is none."""
    try:
        key = x509.load_der_x509_certificate(der).public_key()
    # A member wrote it as it liked: it is some version, algorithm or encoding that cryptography refuses.
    except Exception as error:  # noqa: BLE001
        raise ValueError(f"a certificate that cannot be read: {error!r}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("a certificate for a key that is not Ed25519")
    return key.public_bytes_raw()


def context(protocol: int, pem: bytes, anchors: bytes) -> ssl.SSLContext:
    """TLS 1.3 with the certificate and key of `pem`; the other side has to show one that `anchors` (DER, one
    behind the other) verify."""
    made = ssl.SSLContext(protocol)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = False  # keys are compared, not names
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    made.set_alpn_protocols([ALPN])
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        made.num_tickets = 0  # a session taken up again would not be asked for its key
    if anchors:
        made.load_verify_locations(cadata=anchors)
    # load_cert_chain takes paths alone: the key is shown to it in memory, no disk sees it.
    file = os.memfd_create("transport-key", os.MFD_CLOEXEC)
    try:
        os.write(file, pem)
        made.load_cert_chain(f"/proc/self/fd/{file}")
    finally:
        os.close(file)
    return made


def _anchor(key: bytes, signer: Ed25519PrivateKey) -> x509.Certificate:
    public = Ed25519PublicKey.from_public_bytes(key)
    return _build(key.hex(), "chainnode roster", public, _NO_END, is_anchor=True).sign(signer, None)


def _build(
    subject: str, issuer: str, key: Ed25519PublicKey, end: datetime, *, is_anchor: bool
) -> x509.CertificateBuilder:
    # Chains are found by names, so that the name of an anchor is its key.
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(1)
        .not_valid_before(_BEGINNING)
        .not_valid_after(end)
        .add_extension(
            x509.BasicConstraints(ca=is_anchor, path_length=0 if is_anchor else None), critical=True
        )
    )
