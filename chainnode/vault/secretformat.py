"""The bytes of a secret file: one CBOR map in deterministic encoding (RFC 8949 section 4.2)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
from nacl import bindings

from chainnode.vault.argon2id import KEY_BYTES, LEVELS, SALT_BYTES, Cost, affordable
from chainnode.vault.errors import COST_TOO_HIGH, FILE_DAMAGED
from consensus.domain import SUITE
from genesis.errors import OperatorError, quoted

FORMAT = "chainnode-secret"
VERSION = 1
MAX_FILE_BYTES = 1_048_576
MAX_SLOTS = 2

_NONCE_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_TAG_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_ABYTES
_FIELDS = {"format", "version", "suite", "kind", "slots", "nonce", "payload"}
_SLOT_FIELDS = {"name", "level", "operations", "memory", "salt", "nonce", "key"}


@dataclass(frozen=True, slots=True)
class Slot:
    """The payload's key wrapped under a passphrase."""

    name: str
    level: str
    cost: Cost
    salt: bytes
    nonce: bytes
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Document:
    """What stands in the file; `sealed` is the encrypted payload."""

    kind: str
    slots: tuple[Slot, ...]
    nonce: bytes
    sealed: bytes


def damaged(path: Path, detail: str) -> OperatorError:
    return OperatorError(
        FILE_DAMAGED,
        f"{path} is not an intact secret file: {detail}",
        unchanged="The file was read and is as it was.",
        next_step=f"Restore {quoted(path)} from its backup, or name the right file.",
    )


def encode_document(document: Document) -> bytes:
    slots = [
        {
            "name": slot.name,
            "level": slot.level,
            "operations": slot.cost.operations,
            "memory": slot.cost.memory_bytes,
            "salt": slot.salt,
            "nonce": slot.nonce,
            "key": slot.wrapped,
        }
        for slot in document.slots
    ]
    raw = cbor2.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "suite": SUITE,
            "kind": document.kind,
            "slots": slots,
            "nonce": document.nonce,
            "payload": document.sealed,
        },
        canonical=True,
    )
    assert len(raw) <= MAX_FILE_BYTES
    return raw


def decode_document(raw: bytes, path: Path) -> Document:
    """Raises OperatorError KEY-03 for what is no intact file, KEY-05 for a cost beyond "sensitive":
    that is seen before any memory is taken for it."""
    value = _load(raw, path)
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise damaged(path, f"it does not say {FORMAT!r}")
    if value.get("version") != VERSION or value.get("suite") != SUITE:
        raise damaged(path, f"its version is not {VERSION} or its suite not {SUITE}")
    if set(value) != _FIELDS:
        raise damaged(path, "it has other fields than it should")
    kind, slots, nonce, sealed = value["kind"], value["slots"], value["nonce"], value["payload"]
    if not (isinstance(kind, str) and _is_bytes(nonce, _NONCE_BYTES) and isinstance(sealed, bytes)):
        raise damaged(path, "a field has the wrong type or length")
    if not isinstance(slots, list) or not 1 <= len(slots) <= MAX_SLOTS:
        raise damaged(path, "it does not have one or two passphrase slots")
    document = Document(kind, tuple(_decode_slot(slot, path) for slot in slots), nonce, sealed)
    if len({slot.name for slot in document.slots}) != len(slots):
        raise damaged(path, "two of its passphrase slots have one name")
    # This also finds bytes after the end, which cbor2 overlooks.
    if encode_document(document) != raw:
        raise damaged(path, "it is spelled in another way than a file written here")
    return document


def _load(raw: bytes, path: Path) -> Any:
    if len(raw) > MAX_FILE_BYTES:
        raise damaged(path, f"it is longer than {MAX_FILE_BYTES} bytes")
    try:
        return cbor2.loads(raw)
    except cbor2.CBORDecodeEOF:
        raise damaged(path, "the file ends early") from None
    except (cbor2.CBORDecodeError, RecursionError, ValueError) as error:
        raise damaged(path, f"no CBOR ({error})") from None


def _is_bytes(value: Any, length: int) -> bool:
    return isinstance(value, bytes) and len(value) == length


def _decode_slot(value: Any, path: Path) -> Slot:
    if not isinstance(value, dict) or set(value) != _SLOT_FIELDS:
        raise damaged(path, "a passphrase slot has other fields than it should")
    operations, memory = value["operations"], value["memory"]
    sized = (
        _is_bytes(value["salt"], SALT_BYTES)
        and _is_bytes(value["nonce"], _NONCE_BYTES)
        and _is_bytes(value["key"], KEY_BYTES + _TAG_BYTES)
    )
    named = value["name"] in ("boot", "recovery") and value["level"] in LEVELS
    if not (sized and named and type(operations) is int and type(memory) is int):
        raise damaged(path, "a field of a passphrase slot has the wrong type or length")
    cost = Cost(operations, memory)
    if not affordable(cost):
        raise OperatorError(
            COST_TOO_HIGH,
            f"{path} demands {operations} passes over {memory} bytes, outside what argon2id's "
            "sensitive level allows",
            unchanged="No memory was taken and no passphrase tried; the file is as it was.",
            next_step=f"Somebody altered the file: restore {quoted(path)} from its backup.",
        )
    return Slot(value["name"], value["level"], cost, value["salt"], value["nonce"], value["key"])
