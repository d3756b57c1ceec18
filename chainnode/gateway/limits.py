"""How much one socket's clients may ask of a node."""

from dataclasses import dataclass

from chainnode.pool.container import MAX_CIPHERTEXT_BYTES

CHUNK_BYTES = 262_144
"""Objects, plain texts and receipts travel in chunks of this size."""

MAX_CLIENT_MESSAGE_BYTES = 16_777_216
"""What a client takes in one message: a block of 32 MiB has about 9 MB of ids and codes."""

MAX_ENTRIES = 10_000
MAX_MACS = 1_000
MAX_PROOF_KEYS = 64
MAX_TIMEOUT_MS = 120_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Per socket. `stall_ms`: how long a client may leave its stream unread before it is closed;
    `uploads`: objects taken in at once, so that memory is at most uploads * object_bytes."""

    message_bytes: int = 4_194_304
    calls: int = 128
    calls_per_connection: int = 32
    stall_ms: int = 30_000
    object_bytes: int = MAX_CIPHERTEXT_BYTES
    uploads: int = 2
    idle_connection_ms: int = 600_000
