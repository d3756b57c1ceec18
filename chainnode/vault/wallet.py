"""A patient's wallet: one seed, and from it keys that hospitals cannot link with one another."""

from dataclasses import dataclass, field
from secrets import token_bytes

from chainnode.vault import group, tdh2
from chainnode.vault.derive import hkdf
from chainnode.vault.keys import SEED_BYTES, SigningKey
from consensus.codec import encode


@dataclass(frozen=True, slots=True)
class ClassSecret:
    """A class key: the scalar modulo L and its point (32 bytes each), for one member, class and epoch."""

    scalar: bytes = field(repr=False)
    point: bytes

    def open_half(self, ciphertext: bytes, label: bytes) -> bytes:
        """The patient's half (64 bytes) out of an encoded TDH2 ciphertext, on the patient's device.

        Whether it is the right half shows against the commitment on chain, not here: under another
        key the result is noise. Raises SealingError.
        """
        return tdh2.decrypt(self.scalar, tdh2.decode_ciphertext(ciphertext), label)


class Wallet:
    """All of a patient's keys. Each is HKDF-SHA256 of the seed with the key's place as info."""

    __slots__ = ("seed",)

    def __init__(self, seed: bytes) -> None:
        assert len(seed) == SEED_BYTES
        self.seed = seed

    @classmethod
    def generate(cls) -> "Wallet":
        return cls(token_bytes(SEED_BYTES))

    def identity(self, chain_id: bytes, member: int) -> SigningKey:
        """The Ed25519 pair by which the hospital `member` knows this patient."""
        return SigningKey(hkdf(self.seed, encode(("wallet/identity", chain_id, member))))

    def class_key(self, chain_id: bytes, member: int, data_class: str, epoch: int) -> ClassSecret:
        """The key that opens the patient's halves of this hospital's objects of one class and epoch."""
        info = encode(("wallet/class-key", chain_id, member, data_class, epoch))
        scalar = group.reduce(hkdf(self.seed, info, group.WIDE_BYTES))
        assert group.is_scalar(scalar)
        return ClassSecret(scalar, group.multiply_base(scalar))

    def __repr__(self) -> str:
        return "Wallet(...)"
