"""The enrolment card: what a patient's wallet shows a hospital, public keys alone.

A JSON file, signed by the enrolled key, so that a key swapped on the way is seen. It says nothing
that another hospital's card of the same patient says too.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from chainnode.cli.actions.files import read_limited
from chainnode.cli.errors import bad_input
from chainnode.cli.next_steps import command
from chainnode.ledger.payloads import DATA_CLASSES, MAX_CLASS_KEYS, ClassKey
from chainnode.vault.keys import valid_point, verify
from chainnode.vault.wallet import Wallet
from consensus.codec import encode
from consensus.domain import DIGEST_BYTES, signing_bytes
from genesis.errors import OperatorError

MAX_CARD_BYTES = 16_384
CARD_VERSION = 1
FIRST_EPOCH = 0


@dataclass(frozen=True, slots=True)
class EnrolmentCard:
    """Keys of 32 bytes; `member` is the hospital's number."""

    chain_id: bytes
    member: int
    patient_key: bytes
    class_keys: tuple[ClassKey, ...]


class _ClassKey(msgspec.Struct, forbid_unknown_fields=True):
    data_class: str
    epoch: int
    point: str


class _Card(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    chain_id: str
    member: int
    patient_key: str
    class_keys: list[_ClassKey]
    signature: str


def make_card(wallet: Wallet, chain_id: bytes, member: int) -> EnrolmentCard:
    """The card for one hospital: its identity key and a class key for every data class."""
    keys = tuple(
        ClassKey(name, FIRST_EPOCH, wallet.class_key(chain_id, member, name, FIRST_EPOCH).point)
        for name in DATA_CLASSES
    )
    return EnrolmentCard(chain_id, member, wallet.identity(chain_id, member).public, keys)


def _signed(card: EnrolmentCard) -> bytes:
    return signing_bytes(
        "enrolment-card", card.chain_id, encode((card.member, card.patient_key, card.class_keys))
    )


def encode_card(card: EnrolmentCard, wallet: Wallet) -> bytes:
    """The file's bytes, signed by the card's own key."""
    signature = wallet.identity(card.chain_id, card.member).sign(_signed(card))
    form = _Card(
        CARD_VERSION,
        card.chain_id.hex(),
        card.member,
        card.patient_key.hex(),
        [_ClassKey(key.data_class, key.epoch, key.point.hex()) for key in card.class_keys],
        signature.hex(),
    )
    return msgspec.json.format(msgspec.json.encode(form), indent=2) + b"\n"


def read_card(path: Path) -> EnrolmentCard:
    """Raises OperatorError CLI-02: unreadable, not a card, a weak key, or not signed by its own key."""
    data = read_limited(path, MAX_CARD_BYTES, "the enrolment card")
    return decode_card(data, str(path))


def decode_card(data: bytes, source: str) -> EnrolmentCard:
    """As `read_card`, of bytes at hand."""
    try:
        if len(data) > MAX_CARD_BYTES:
            raise ValueError(f"it is longer than {MAX_CARD_BYTES} bytes")
        form = msgspec.json.decode(data, type=_Card)
        card = EnrolmentCard(
            bytes.fromhex(form.chain_id),
            form.member,
            bytes.fromhex(form.patient_key),
            tuple(ClassKey(key.data_class, key.epoch, bytes.fromhex(key.point)) for key in form.class_keys),
        )
        _check(card, form)
    except (ValueError, RecursionError) as error:  # msgspec's errors and UnicodeDecodeError are ValueErrors
        raise _not_a_card(source, str(error)) from None
    return card


def _check(card: EnrolmentCard, form: _Card) -> None:
    """Raises ValueError."""
    points = [key.point for key in card.class_keys]
    if form.version != CARD_VERSION:
        raise ValueError(f"its version is {form.version}, {CARD_VERSION} is known")
    if len(card.chain_id) != DIGEST_BYTES or not 0 < len(points) <= MAX_CLASS_KEYS:
        raise ValueError("the chain's id or the number of class keys is out of range")
    if not all(map(valid_point, (card.patient_key, *points))):
        raise ValueError("a key in it is weak or damaged")
    if not verify(card.patient_key, _signed(card), bytes.fromhex(form.signature)):
        raise ValueError("it is not signed by the key that it shows")


def _not_a_card(source: str, reason: str) -> OperatorError:
    return bad_input(f"{source} is not an enrolment card: {reason}", command("wallet", "card", "--help"))
