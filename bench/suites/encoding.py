"""Canonical encoding and decoding against msgspec alone, and Merkle roots against bare SHA-256."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from bench.suite import Group, Sizes, Suite
from bench.timing import Case
from bench.world import World
from chainnode.ledger.transaction import BatchBody, TransactionBody
from consensus.codec import decode, encode
from consensus.domain import digest
from consensus.merkle import merkle_root

LEAF_BYTES = 100
_LEAF_PREFIX_BYTES = len(b"chainnode\x01\x0bresult/leaf") + 4 + 4 + 4
_NODE_PREIMAGE_BYTES = len(b"chainnode\x01\x0bresult/node") + 2 * (4 + 32)


def _transactions(world: World, count: int) -> Group:
    bodies = [one.transaction.body for one in world.consents(count)]
    values = [decode(body, TransactionBody, limit_bytes=len(body)) for body in bodies]
    encoder = msgspec.msgpack.Encoder()
    decoder = msgspec.msgpack.Decoder(TransactionBody)

    def decode_all(_: object) -> None:
        for body in bodies:
            decode(body, TransactionBody, limit_bytes=4_096)

    def decode_raw(_: object) -> None:
        for body in bodies:
            decoder.decode(body)

    def encode_all(_: object) -> None:
        for value in values:
            encode(value)

    def encode_raw(_: object) -> None:
        for value in values:
            encoder.encode(value)

    return Group(
        "transactions",
        f"{count:,} consents, bodies of {len(bodies[0])} bytes",
        [
            Case("decode, msgspec", "transaction", count, decode_raw),
            Case("decode, canonical", "transaction", count, decode_all, floor="decode, msgspec"),
            Case("encode, msgspec", "transaction", count, encode_raw),
            Case("encode, canonical", "transaction", count, encode_all, floor="encode, msgspec"),
        ],
    )


def _batch(world: World, count: int) -> Group:
    body = world.batch(world.consents(count)).body
    decoder = msgspec.msgpack.Decoder(BatchBody)
    return Group(
        "batch",
        f"a batch of {count:,} consents, {len(body) / 1e3:,.0f} kB",
        [
            Case("decode, msgspec", "transaction", count, lambda _: decoder.decode(body)),
            Case(
                "decode, canonical",
                "transaction",
                count,
                lambda _: decode(body, BatchBody, limit_bytes=len(body)),
                floor="decode, msgspec",
            ),
        ],
    )


def _hash_raw(preimages: Sequence[bytes]) -> None:
    for preimage in preimages:
        sha256(preimage).digest()


def _merkle(count: int) -> Group:
    leaves = [digest("leaf", number.to_bytes(4, "big")).ljust(LEAF_BYTES, b"\x00") for number in range(count)]
    preimages = [bytes(_LEAF_PREFIX_BYTES) + leaf for leaf in leaves]
    preimages += [bytes(_NODE_PREIMAGE_BYTES)] * count
    return Group(
        "merkle",
        f"Merkle root of {count:,} leaves of {LEAF_BYTES} bytes",
        [
            Case("hashlib alone", "leaf", count, lambda _: _hash_raw(preimages)),
            Case(
                "Merkle root",
                "leaf",
                count,
                lambda _: merkle_root("result", leaves),
                floor="hashlib alone",
            ),
        ],
    )


def build(sizes: Sizes, _: Path) -> Iterator[Group]:
    world = World(sizes.patients)
    yield _transactions(world, max(sizes.blocks))
    yield _batch(world, max(sizes.blocks))
    yield _merkle(sizes.leaves)


SUITE = Suite("encoding", "Canonical encoding and Merkle roots", build)
