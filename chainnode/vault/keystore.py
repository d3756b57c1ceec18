"""The secrets of a node and of the people around it, each kind in a secret file of its own.

Every kind is created with a boot and, if wanted, a recovery passphrase, and opened with one
argon2id derivation for all that the file holds.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from secrets import token_bytes
from typing import ClassVar, Self

from msgspec import Struct

from chainnode.vault.derive import KEY_BYTES
from chainnode.vault.keys import SEED_BYTES, KemKey, SigningKey
from chainnode.vault.secretfile import SecretFile
from chainnode.vault.secretformat import MAX_FILE_BYTES, damaged
from chainnode.vault.wallet import Wallet
from consensus.codec import DecodeError, decode, encode


class _Seeds(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The payload of every kind but the head's: 32-byte secrets in the kind's order."""

    values: tuple[bytes, ...]


class _Stored(ABC):
    """What all kinds share: their seeds go into a SecretFile and come out of it again."""

    KIND: ClassVar[str]
    COUNT: ClassVar[int]

    def __init__(self, file: SecretFile, seeds: tuple[bytes, ...]) -> None:
        self.file = file
        self._load(seeds)

    @abstractmethod
    def _load(self, seeds: tuple[bytes, ...]) -> None:
        """Make the keys out of COUNT seeds."""

    @classmethod
    def create(
        cls, path: Path, *, boot: bytes, recovery: bytes | None = None, level: str = "moderate"
    ) -> Self:
        """Draw fresh keys and write them. Raises OperatorError as SecretFile.create does."""
        seeds = tuple(token_bytes(SEED_BYTES) for _ in range(cls.COUNT))
        return cls._write(path, seeds, boot=boot, recovery=recovery, level=level)

    @classmethod
    def _write(
        cls, path: Path, seeds: tuple[bytes, ...], *, boot: bytes, recovery: bytes | None, level: str
    ) -> Self:
        payload = encode(_Seeds(seeds))
        file = SecretFile.create(path, cls.KIND, payload, boot=boot, recovery=recovery, level=level)
        return cls(file, seeds)

    @classmethod
    def open(cls, path: Path, passphrase: bytes, *, slot: str | None = None) -> Self:
        """Raises OperatorError as SecretFile.open does."""
        file = SecretFile.open(path, cls.KIND, passphrase, slot=slot)
        try:
            seeds = decode(file.payload, _Seeds, limit_bytes=MAX_FILE_BYTES).values
        except DecodeError as error:
            raise damaged(path, str(error)) from None
        if len(seeds) != cls.COUNT or any(len(seed) != SEED_BYTES for seed in seeds):
            raise damaged(path, f"it does not hold the {cls.COUNT} secrets of a {cls.KIND}")
        return cls(file, seeds)


class NodeKeys(_Stored):
    """A node's keystore: the validator's and the transport's Ed25519 keys, the sealing key, and the
    local key (32 bytes) from which `derive` makes the rest."""

    KIND = "keystore"
    COUNT = 4

    validator: SigningKey
    transport: SigningKey
    sealing: KemKey
    local_key: bytes

    def _load(self, seeds: tuple[bytes, ...]) -> None:
        self.validator, self.transport = SigningKey(seeds[0]), SigningKey(seeds[1])
        self.sealing, self.local_key = KemKey(seeds[2]), seeds[3]
        assert len(self.local_key) == KEY_BYTES

    def renewed(
        self, path: Path, *, boot: bytes, recovery: bytes | None = None, level: str = "moderate"
    ) -> Self:
        """A keystore at `path` with another validator's and transport's key, and this one's sealing and local
        key: what was sealed and derived under them stays open. Raises as `create` does."""
        fresh = tuple(token_bytes(SEED_BYTES) for _ in range(2))
        seeds = (*fresh, self.sealing.seed, self.local_key)
        return self._write(path, seeds, boot=boot, recovery=recovery, level=level)


class StewardKeys(_Stored):
    """A hospital's steward: one Ed25519 key."""

    KIND = "steward"
    COUNT = 1

    signing: SigningKey

    def _load(self, seeds: tuple[bytes, ...]) -> None:
        self.signing = SigningKey(seeds[0])


class RegistrarKeys(_Stored):
    """A registrar of the roster in genesis: one Ed25519 key."""

    KIND = "registrar"
    COUNT = 1

    signing: SigningKey

    def _load(self, seeds: tuple[bytes, ...]) -> None:
        self.signing = SigningKey(seeds[0])


class TrusteeKeys(_Stored):
    """A trustee of the roster in genesis: an Ed25519 key and a sealing key."""

    KIND = "trustee"
    COUNT = 2

    signing: SigningKey
    kem: KemKey

    def _load(self, seeds: tuple[bytes, ...]) -> None:
        self.signing, self.kem = SigningKey(seeds[0]), KemKey(seeds[1])


class ProjectKeys(_Stored):
    """A research project: an Ed25519 key and a sealing key, fresh for each application. Deleting the
    file at the project's expiry is their end."""

    KIND = "project"
    COUNT = 2

    signing: SigningKey
    kem: KemKey

    def _load(self, seeds: tuple[bytes, ...]) -> None:
        self.signing, self.kem = SigningKey(seeds[0]), KemKey(seeds[1])


class WalletFile(_Stored):
    """A patient's wallet on the patient's device."""

    KIND = "wallet"
    COUNT = 1

    wallet: Wallet

    @classmethod
    def restore(
        cls,
        path: Path,
        wallet: Wallet,
        *,
        boot: bytes,
        recovery: bytes | None = None,
        level: str = "moderate",
    ) -> Self:
        """Write a wallet that was there before. Raises OperatorError as SecretFile.create does."""
        return cls._write(path, (wallet.seed,), boot=boot, recovery=recovery, level=level)

    def _load(self, seeds: tuple[bytes, ...]) -> None:
        self.wallet = Wallet(seeds[0])
