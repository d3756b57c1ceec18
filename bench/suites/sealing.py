"""TDH2 against the bare group operations it is made of, HPKE against the library with the keys at hand."""

from collections.abc import Iterator
from pathlib import Path
from secrets import token_bytes

from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM
from cryptography.hazmat.primitives.hpke import Suite as HpkeSuite
from nacl import bindings

from bench.suite import Group, Sizes, Suite
from bench.timing import Case
from chainnode.vault import group, tdh2
from chainnode.vault.keys import KemKey, sealing_key
from chainnode.vault.sealing import open_sealed, seal

HALF_BYTES = 64
INFO = b"bench"


def _operations(points: int, multiplications: int, base_multiplications: int, scalar: bytes) -> None:
    """Bare group operations: checks of points, multiplications of a point and of the base point."""
    point = tdh2.SECOND_GENERATOR
    for _ in range(points):
        bindings.crypto_core_ed25519_is_valid_point(point)
    for _ in range(multiplications):
        bindings.crypto_scalarmult_ed25519_noclamp(scalar, point)
    for _ in range(base_multiplications):
        bindings.crypto_scalarmult_ed25519_base_noclamp(scalar)


def _tdh2() -> Group:
    scalar = group.reduce(token_bytes(group.WIDE_BYTES))
    point, half, label = group.multiply_base(scalar), token_bytes(HALF_BYTES), b"label"
    ciphertext = tdh2.encrypt(point, half, label)
    answer = tdh2.partial(scalar, ciphertext, label)
    assert tdh2.combine(ciphertext, label, [answer], {1: point}, 1) == half
    return Group(
        "tdh2",
        f"TDH2 of a half of {HALF_BYTES} bytes",
        [
            # r h, r G2, s G2; r B, s B
            Case("raw: encrypt", "call", 1, lambda _: _operations(1, 3, 2, scalar)),
            Case(
                "encrypt",
                "call",
                1,
                lambda _: tdh2.encrypt(point, half, label),
                floor="raw: encrypt",
            ),
            # the check: e u, f G2, e u_bar; f B; the answer: x u, s u; s B, x B
            Case("raw: partial", "call", 1, lambda _: _operations(2, 5, 3, scalar)),
            Case(
                "partial",
                "call",
                1,
                lambda _: tdh2.partial(scalar, ciphertext, label),
                floor="raw: partial",
            ),
            # the proof: f u, e u_i; f B, e h
            Case("raw: verify_partial", "call", 1, lambda _: _operations(3, 3, 1, scalar)),
            Case(
                "verify_partial",
                "call",
                1,
                lambda _: tdh2.verify_partial(point, ciphertext, answer),
                floor="raw: verify_partial",
            ),
        ],
    )


def _hpke() -> Group:
    key, half = KemKey(bytes(range(32))), token_bytes(HALF_BYTES)
    suite = HpkeSuite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
    public, sealed = sealing_key(key.public), seal(key.public, half, INFO)
    assert open_sealed(key, sealed, INFO) == half
    return Group(
        "hpke",
        f"HPKE of a half of {HALF_BYTES} bytes",
        [
            Case("encrypt, library", "call", 1, lambda _: suite.encrypt(half, public, INFO)),
            Case("seal", "call", 1, lambda _: seal(key.public, half, INFO), floor="encrypt, library"),
            Case("decrypt, library", "call", 1, lambda _: suite.decrypt(sealed[1:], key.private, INFO)),
            Case(
                "open",
                "call",
                1,
                lambda _: open_sealed(key, sealed, INFO),
                floor="decrypt, library",
            ),
        ],
    )


def build(_sizes: Sizes, _folder: Path) -> Iterator[Group]:
    yield _tdh2()
    yield _hpke()


SUITE = Suite("sealing", "Wrapped halves: TDH2 and HPKE", build)
