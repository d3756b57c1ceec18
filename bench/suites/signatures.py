"""Ed25519 through chainnode.vault.keys against the bare binding, and spread over two threads."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair

from bench.suite import Group, Sizes, Suite
from bench.timing import Case
from bench.world import Claim, verify_raw
from chainnode.node.verifier import Verifier
from chainnode.vault.keys import SigningKey, verify
from consensus.domain import SIGNATURE_BYTES

MESSAGE_BYTES = 300
CHUNK = 25
"""Signatures that a thread takes at a time; fewer cost more in handing over than they gain."""
THREADS = 2

Signed = tuple[bytes, bytes, bytes]
"""Key, message, signature."""


def _check(batch: Sequence[Signed]) -> bool:
    return all(verify(key, message, signature) for key, message, signature in batch)


def _one(key: SigningKey, message: bytes) -> Group:
    _, secret = crypto_sign_seed_keypair(key.seed)
    signature, public = key.sign(message), key.public
    combined = signature + message
    remembered = Verifier()
    assert remembered(public, message, signature)
    return Group(
        "one",
        f"one signature over {MESSAGE_BYTES} bytes",
        [
            Case("raw sign", "signature", 1, lambda _: crypto_sign(message, secret)),
            Case("sign", "signature", 1, lambda _: key.sign(message), floor="raw sign"),
            Case("raw verify", "signature", 1, lambda _: crypto_sign_open(combined, public)),
            Case("verify", "signature", 1, lambda _: verify(public, message, signature), floor="raw verify"),
            Case(
                "verify, known to be good",
                "signature",
                1,
                lambda _: remembered(public, message, signature),
                floor="raw verify",
            ),
        ],
    )


def _many(key: SigningKey, count: int, pool: ThreadPoolExecutor) -> Group:
    messages = [number.to_bytes(4, "big") * (MESSAGE_BYTES // 4) for number in range(count)]
    signed = [(key.public, message, key.sign(message)) for message in messages]
    claims: list[Claim] = [(signature + message, public) for public, message, signature in signed]
    chunks = [signed[at : at + CHUNK] for at in range(0, count, CHUNK)]
    assert _check(signed) and all(len(signature) == SIGNATURE_BYTES for *_, signature in signed)
    return Group(
        "many",
        f"{count:,} signatures",
        [
            Case("raw verify", "signature", count, lambda _: verify_raw(claims)),
            Case("verify inline", "signature", count, lambda _: _check(signed), floor="raw verify"),
            Case(
                f"verify, {THREADS} threads, chunks of {CHUNK}",
                "signature",
                count,
                lambda _: all(pool.map(_check, chunks)),
                floor="raw verify",
                clock="wall",
            ),
        ],
    )


def build(sizes: Sizes, _: Path) -> Iterator[Group]:
    key = SigningKey(bytes(range(32)))
    yield _one(key, bytes(MESSAGE_BYTES))
    with ThreadPoolExecutor(THREADS) as pool:
        yield _many(key, sizes.signatures, pool)


SUITE = Suite("signatures", "Ed25519: sign and verify", build)
