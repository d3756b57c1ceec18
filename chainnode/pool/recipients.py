"""Who can open an object's patient half: the list that lies beside the ciphertext, off chain."""

from collections.abc import Sequence

from msgspec import Struct

from chainnode.pool.errors import ObjectError
from consensus.codec import DecodeError, decode, encode
from consensus.domain import digest

MAX_RECIPIENTS = 16
MAX_RECIPIENTS_BYTES = 16_384
KEY_ID_BYTES = 16


class Recipient(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`key_id`: of the class key (16 bytes); `ciphertext`: an encoded tdh2.Ciphertext."""

    suite: int
    key_id: bytes
    ciphertext: bytes


def class_key_id(point: bytes) -> bytes:
    """Names a class key by its point."""
    return digest("class-key", point)[:KEY_ID_BYTES]


def encode_recipients(recipients: Sequence[Recipient]) -> bytes:
    assert 0 < len(recipients) <= MAX_RECIPIENTS
    return encode(list(recipients))


def decode_recipients(data: bytes) -> tuple[Recipient, ...]:
    """Raises ObjectError `recipients-malformed`."""
    try:
        recipients = decode(data, tuple[Recipient, ...], limit_bytes=MAX_RECIPIENTS_BYTES)
    except DecodeError as error:
        raise ObjectError("recipients-malformed", str(error)) from None
    if not 0 < len(recipients) <= MAX_RECIPIENTS:
        raise ObjectError("recipients-malformed", f"{len(recipients)} recipients")
    return recipients


def wrap_for(recipients: Sequence[Recipient], point: bytes) -> bytes:
    """The ciphertext for the class key `point`. Raises ObjectError `recipient-missing`."""
    wanted = class_key_id(point)
    for recipient in recipients:
        if recipient.key_id == wanted:
            return recipient.ciphertext
    raise ObjectError("recipient-missing")
