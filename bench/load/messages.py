"""Signed messages for systems that know nothing of our ledger: key, signature, body."""

import os

from nacl.bindings import crypto_sign_open

from chainnode.vault.keys import SigningKey

KEY_BYTES, SIGNATURE_BYTES = 32, 64
HEAD_BYTES = KEY_BYTES + SIGNATURE_BYTES
SIGNERS = 64


def signed_messages(count: int, size_bytes: int) -> list[bytes]:
    """`count` different messages of `size_bytes` each, by SIGNERS keys in turn."""
    signers = [SigningKey(os.urandom(32)) for _ in range(min(count, SIGNERS))]
    body_bytes = size_bytes - HEAD_BYTES
    assert body_bytes >= 16, "bodies that differ"
    found = []
    for number in range(count):
        key = signers[number % len(signers)]
        body = os.urandom(body_bytes)
        found.append(key.public + key.sign(body) + body)
    return found


def verify_message(message: bytes) -> None:
    """Raises nacl.exceptions.BadSignatureError."""
    crypto_sign_open(message[KEY_BYTES:], message[:KEY_BYTES])
