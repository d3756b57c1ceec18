"""Class keys on their way to the trustees: each trustee's shares in one blob, sealed to its key.

Chain, patient and seat stand in HPKE's info. What the shares must be, the commitments on chain say; that a
blob is the patient's, the digest over all blobs of the dealing that stands there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainnode.vault.errors import SealingError
from chainnode.vault.feldman import deal, verify_share
from chainnode.vault.keys import KemKey
from chainnode.vault.parts import parts_digest
from chainnode.vault.sealing import OVERHEAD_BYTES, open_sealed, seal
from consensus.codec import DecodeError, decode, encode
from consensus.domain import digest

TAG_BYTES = 16
MAX_SHARES_BYTES = 2_900
"""Of a blob's plaintext: shares of 32 bytes, each with its class and epoch."""
MAX_SEALED_SHARES_BYTES = OVERHEAD_BYTES + MAX_SHARES_BYTES


@dataclass(frozen=True, slots=True)
class Committed:
    """What is public of one class key that was dealt."""

    data_class: str
    epoch: int
    commitments: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Seated:
    """A trustee that is dealt a share: its seat from 1, its signing and its sealing key."""

    seat: int
    key: bytes
    sealing_key: bytes


@dataclass(frozen=True, slots=True)
class DealtShares:
    """`sealed`: pairs of a trustee's tag and its blob, as they are handed in; `digest` names them."""

    keys: tuple[Committed, ...]
    sealed: tuple[tuple[bytes, bytes], ...]
    digest: bytes


def trustee_tag(key: bytes) -> bytes:
    """Under which a trustee's blob is handed in (16 bytes)."""
    return digest("trustee-tag", key)[:TAG_BYTES]


def _info(chain_id: bytes, handle: bytes, seat: int) -> bytes:
    return encode(("class-shares", chain_id, handle, seat))


def deal_to(
    secrets: Mapping[tuple[str, int], bytes],
    trustees: Sequence[Seated],
    *,
    seats: int,
    threshold: int,
    chain_id: bytes,
    handle: bytes,
) -> DealtShares:
    """Deal class keys (scalars, by class and epoch) to these trustees among `seats` in all.

    Raises SealingError `key-invalid` for a sealing key that is none.
    """
    dealings = {name: deal(secrets[name], threshold, seats) for name in sorted(secrets)}
    keys = tuple(Committed(*name, one.commitments) for name, one in dealings.items())
    sealed = tuple(
        (
            trustee_tag(one.key),
            seal(
                one.sealing_key,
                encode([(*name, dealing.shares[one.seat]) for name, dealing in dealings.items()]),
                _info(chain_id, handle, one.seat),
            ),
        )
        for one in trustees
    )
    return DealtShares(keys, sealed, parts_digest(sealed))


def open_shares(
    kem: KemKey, sealed: bytes, keys: Sequence[Committed], *, seat: int, chain_id: bytes, handle: bytes
) -> tuple[bytes, ...]:
    """A trustee's shares, one for each of `keys`, each as the commitments promise; others may be there.

    Raises SealingError as `open_sealed` does, or `malformed`, or `share-mismatch`.
    """
    data = open_sealed(kem, sealed, _info(chain_id, handle, seat))
    try:
        entries = decode(data, tuple[tuple[str, int, bytes], ...], limit_bytes=MAX_SHARES_BYTES)
    except DecodeError as error:
        raise SealingError("malformed", str(error)) from None
    shares = {(data_class, epoch): share for data_class, epoch, share in entries}
    found = []
    for key in keys:
        share = shares.get((key.data_class, key.epoch), b"")
        if not verify_share(key.commitments, seat, share):
            raise SealingError("share-mismatch", f"the share of {key.data_class}, epoch {key.epoch}")
        found.append(share)
    return tuple(found)
