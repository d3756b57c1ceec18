"""The file of a head of department: signing key, the department's KEK, and the studies' private keys.

A study's private key stands in the file wrapped under the KEK: intake needs its public half alone,
and one project's data stays apart from another's.
"""

from pathlib import Path
from secrets import token_bytes

from msgspec import Struct
from nacl import bindings
from nacl.exceptions import CryptoError

from chainnode.vault.derive import KEY_BYTES
from chainnode.vault.errors import STUDY_NAME
from chainnode.vault.keys import SEED_BYTES, KemKey, SigningKey
from chainnode.vault.secretfile import SecretFile
from chainnode.vault.secretformat import MAX_FILE_BYTES, damaged
from consensus.codec import DecodeError, decode, encode
from consensus.domain import SUITE
from genesis.errors import OperatorError

MAX_STUDIES = 500
MAX_STUDY_NAME_BYTES = 64

_NONCE_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES


class _Study(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    name: str
    public: bytes
    nonce: bytes
    wrapped: bytes


class _Payload(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    signing_seed: bytes
    kek: bytes
    studies: tuple[_Study, ...]


class HeadKeys:
    """An open file of a head. `signing`: Ed25519; the KEK stays inside."""

    KIND = "head"

    def __init__(self, file: SecretFile, payload: _Payload) -> None:
        self.file = file
        self.signing = SigningKey(payload.signing_seed)
        self._payload = payload

    @classmethod
    def create(
        cls, path: Path, *, boot: bytes, recovery: bytes | None = None, level: str = "moderate"
    ) -> "HeadKeys":
        """Draw a signing key and a KEK. Raises OperatorError as SecretFile.create does."""
        payload = _Payload(token_bytes(SEED_BYTES), token_bytes(KEY_BYTES), ())
        file = SecretFile.create(path, cls.KIND, encode(payload), boot=boot, recovery=recovery, level=level)
        return cls(file, payload)

    @classmethod
    def open(cls, path: Path, passphrase: bytes, *, slot: str | None = None) -> "HeadKeys":
        """Raises OperatorError as SecretFile.open does."""
        file = SecretFile.open(path, cls.KIND, passphrase, slot=slot)
        try:
            payload = decode(file.payload, _Payload, limit_bytes=MAX_FILE_BYTES)
        except DecodeError as error:
            raise damaged(path, str(error)) from None
        if len(payload.signing_seed) != SEED_BYTES or len(payload.kek) != KEY_BYTES:
            raise damaged(path, "a secret in it has the wrong length")
        return cls(file, payload)

    @property
    def studies(self) -> dict[str, bytes]:
        """Names of the studies and their public sealing keys (1,216 bytes)."""
        return {study.name: study.public for study in self._payload.studies}

    def add_study(self, name: str) -> bytes:
        """Draw a study's key pair, keep it (durably, before this returns), give its public sealing key.

        Raises OperatorError KEY-10 where there is such a study or no room, KEY-08 or KEY-09 of the file.
        """
        if not 0 < len(name.encode()) <= MAX_STUDY_NAME_BYTES:
            raise self._study_error(
                "the name of a study is empty or too long", f"Use at most {MAX_STUDY_NAME_BYTES} bytes."
            )
        if name in self.studies:
            raise self._study_error(f"{self.file.path} holds the study {name!r}", "Choose another name.")
        if len(self.studies) >= MAX_STUDIES:
            raise self._study_error(
                f"{self.file.path} holds {MAX_STUDIES} studies and has no room for {name!r}",
                "Split the department: the file of another head takes further studies.",
            )
        key, nonce = KemKey.generate(), token_bytes(_NONCE_BYTES)
        wrapped = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
            key.seed, _context(name, key.public), nonce, self._payload.kek
        )
        study = _Study(name, key.public, nonce, wrapped)
        payload = _Payload(self._payload.signing_seed, self._payload.kek, (*self._payload.studies, study))
        self.file.replace_payload(encode(payload))
        self._payload = payload
        return key.public

    def open_study(self, name: str) -> KemKey:
        """The study's key pair. Raises OperatorError KEY-10 (no such study), KEY-03 (damaged)."""
        for study in self._payload.studies:
            if study.name == name:
                return self._unwrap(study)
        raise self._study_error(
            f"{self.file.path} holds no study {name!r}",
            f"It holds: {', '.join(sorted(self.studies)) or 'none'}.",
        )

    def _unwrap(self, study: _Study) -> KemKey:
        try:
            seed = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                study.wrapped, _context(study.name, study.public), study.nonce, self._payload.kek
            )
        except CryptoError:
            raise damaged(self.file.path, f"the key of study {study.name!r} was altered") from None
        return KemKey(seed)

    def _study_error(self, what: str, next_step: str) -> OperatorError:
        return OperatorError(STUDY_NAME, what, unchanged="The file is as it was.", next_step=next_step)


def _context(name: str, public: bytes) -> bytes:
    return encode(("study-key", SUITE, name, public))
