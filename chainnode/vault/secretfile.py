"""A file of secrets: a payload under a random key, and that key under one or two passphrases.

CBOR: what opens it (`slots`, each: argon2id's cost and salt, and the wrapped key) stands beside the
encrypted payload, so a passphrase can be changed without touching the payload. Everything that is
not encrypted is authenticated as associated data. Opening takes one argon2id derivation for each
slot tried. Python cannot wipe memory: an opened secret stays in the process until it ends.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_bytes

from nacl import bindings
from nacl.exceptions import CryptoError

from chainnode.vault.argon2id import KEY_BYTES, SALT_BYTES, Cost, cost_of, derive
from chainnode.vault.errors import CHANGED_MEANWHILE, NO_SLOT, WRONG_KIND, WRONG_PASSPHRASE
from chainnode.vault.files import create_file, read_file, replace_file
from chainnode.vault.secretformat import Document, Slot, damaged, decode_document, encode_document
from consensus.codec import encode
from consensus.domain import SUITE
from genesis.errors import OperatorError

KINDS = ("keystore", "steward", "head", "wallet", "registrar", "trustee", "project")
SLOTS = ("boot", "recovery")

_NONCE_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES


def _encrypt(key: bytes, plaintext: bytes, context: bytes) -> tuple[bytes, bytes]:
    nonce = token_bytes(_NONCE_BYTES)
    sealed: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, context, nonce, key)
    return nonce, sealed


def _decrypt(key: bytes, nonce: bytes, sealed: bytes, context: bytes) -> bytes | None:
    try:
        plain: bytes = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, context, nonce, key)
    except CryptoError:
        return None
    return plain


def _payload_context(kind: str) -> bytes:
    return encode(("secret-file", SUITE, kind))


def _slot_context(kind: str, name: str, cost: Cost, salt: bytes) -> bytes:
    return encode(("secret-slot", SUITE, kind, name, cost.operations, cost.memory_bytes, salt))


def _make_slot(kind: str, name: str, passphrase: bytes, level: str, key: bytes) -> Slot:
    cost, salt = cost_of(level), token_bytes(SALT_BYTES)
    nonce, wrapped = _encrypt(derive(passphrase, salt, cost), key, _slot_context(kind, name, cost, salt))
    return Slot(name, level, cost, salt, nonce, wrapped)


def _open_slot(kind: str, slot: Slot, passphrase: bytes) -> bytes | None:
    wrapping = derive(passphrase, slot.salt, slot.cost)
    return _decrypt(wrapping, slot.nonce, slot.wrapped, _slot_context(kind, slot.name, slot.cost, slot.salt))


@dataclass(frozen=True, slots=True)
class _State:
    """What the file held when it was read or last written."""

    raw: bytes
    document: Document


class SecretFile:
    """An open secret file. `payload` is what it keeps, opaque here."""

    def __init__(self, path: Path, state: _State, key: bytes, payload: bytes) -> None:
        self.path = path
        self.payload = payload
        self._state = state
        self._key = key

    @property
    def kind(self) -> str:
        return self._state.document.kind

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of the passphrase slots there are."""
        return tuple(slot.name for slot in self._state.document.slots)

    @classmethod
    def create(
        cls,
        path: Path,
        kind: str,
        payload: bytes,
        *,
        boot: bytes,
        recovery: bytes | None = None,
        level: str = "moderate",
    ) -> "SecretFile":
        """Write a new file, mode 0600, atomically; one derivation for each passphrase.

        Raises OperatorError KEY-06 (exists), KEY-09 (cannot be written), KEY-11 (memory).
        """
        assert kind in KINDS and boot and recovery != b""
        key = token_bytes(KEY_BYTES)
        slots = [_make_slot(kind, "boot", boot, level, key)]
        if recovery is not None:
            slots.append(_make_slot(kind, "recovery", recovery, level, key))
        nonce, sealed = _encrypt(key, payload, _payload_context(kind))
        document = Document(kind, tuple(slots), nonce, sealed)
        raw = encode_document(document)
        create_file(path, raw)
        return cls(path, _State(raw, document), key, payload)

    @classmethod
    def open(cls, path: Path, kind: str, passphrase: bytes, *, slot: str | None = None) -> "SecretFile":
        """Open by the named slot (one derivation), or try boot and then recovery.

        Raises OperatorError KEY-01 (missing), KEY-02 (wrong passphrase), KEY-03 (damaged), KEY-04
        (other kind), KEY-05 (cost beyond "sensitive"), KEY-11 (memory), KEY-12 (no such slot).
        """
        assert kind in KINDS and (slot is None or slot in SLOTS)
        raw = read_file(path)
        document = decode_document(raw, path)
        if document.kind != kind:
            raise OperatorError(
                WRONG_KIND,
                f"{path} holds the secrets of a {document.kind}, a {kind}'s are needed",
                unchanged="No passphrase was tried; the file is as it was.",
                next_step=f"Name the {kind}'s file instead.",
            )
        key = _unlock(document, passphrase, slot, path)
        payload = _decrypt(key, document.nonce, document.sealed, _payload_context(kind))
        if payload is None:
            raise damaged(path, "its payload was altered")
        return cls(path, _State(raw, document), key, payload)

    def replace_payload(self, payload: bytes) -> None:
        """Write another payload under the same key and slots; no passphrase is needed.

        Raises OperatorError KEY-08 where the file changed since it was opened, KEY-09.
        """
        nonce, sealed = _encrypt(self._key, payload, _payload_context(self.kind))
        self._write(replace(self._state.document, nonce=nonce, sealed=sealed))
        self.payload = payload

    def set_passphrase(self, slot: str, passphrase: bytes, *, level: str = "moderate") -> None:
        """Give a slot a new passphrase (or add the slot); the payload's bytes stay the same.

        Raises OperatorError KEY-08, KEY-09, KEY-11.
        """
        assert slot in SLOTS and passphrase
        made = _make_slot(self.kind, slot, passphrase, level, self._key)
        others = [old for old in self._state.document.slots if old.name != slot]
        slots = tuple(sorted([*others, made], key=lambda one: SLOTS.index(one.name)))
        self._write(replace(self._state.document, slots=slots))

    def _write(self, document: Document) -> None:
        raw = encode_document(document)
        if not replace_file(self.path, raw, expected=self._state.raw):
            raise OperatorError(
                CHANGED_MEANWHILE,
                f"{self.path} was changed by somebody else while it was open",
                unchanged="Nothing was written; their change stands.",
                next_step="Run the same command again.",
            )
        self._state = _State(raw, document)


def _unlock(document: Document, passphrase: bytes, wanted: str | None, path: Path) -> bytes:
    tried = [slot for slot in document.slots if wanted is None or slot.name == wanted]
    if not tried:
        raise OperatorError(
            NO_SLOT,
            f"{path} has no passphrase slot {wanted!r}",
            unchanged="No passphrase was tried; the file is as it was.",
            next_step=f"Use the passphrase of its slot {document.slots[0].name!r}.",
        )
    for slot in tried:
        key = _open_slot(document.kind, slot, passphrase)
        if key is not None:
            return key
    names = " nor ".join(slot.name for slot in tried)
    if len(tried) == 2:
        what = f"the passphrase opened neither slot of {path} (neither {names})"
    else:
        what = f"the passphrase did not open the slot {names} of {path}"
    raise OperatorError(
        WRONG_PASSPHRASE,
        what,
        unchanged="The file was read and is as it was.",
        next_step="Check the passphrase file: its content up to one line end is the passphrase.",
    )
