"""`python -m tests.e2e.lying_node --home HOME`: a daemon that lies to who takes over a snapshot from it, as
the file <home>/lie says (read with each frame); where there is none it is honest. While it lies it also gives
no blocks, so that the snapshot is the only way."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import structs

from chainnode.net.wire import (
    MAX_HEADER_BYTES,
    Blocks,
    Frame,
    Piece,
    PieceMissing,
    SnapshotOffer,
    Status,
    encode_frame,
)
from chainnode.node import network
from chainnode.node.config import load_config
from chainnode.node.daemon import run
from consensus.codec import decode, encode
from consensus.messages import QuorumCertificate
from consensus.types import BlockHeader
from genesis.errors import OperatorError

LIE_NAME = "lie"
FAR = 1_000_000


def _parts(offer: SnapshotOffer) -> tuple[BlockHeader, QuorumCertificate]:
    header = decode(offer.header, BlockHeader, limit_bytes=MAX_HEADER_BYTES)
    return header, decode(offer.certificate, QuorumCertificate, limit_bytes=len(offer.certificate))


def _flipped(data: bytes) -> bytes:
    at = len(data) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def chunk(frame: Frame) -> Frame:
    """One bit of everything that it serves is another."""
    return structs.replace(frame, data=_flipped(frame.data)) if isinstance(frame, Piece) else frame


def height(frame: Frame) -> Frame:
    """It says to be far ahead, and offers that height under votes for the true one."""
    if isinstance(frame, Status):
        return structs.replace(frame, height=FAR)
    if not isinstance(frame, SnapshotOffer):
        return frame
    header, certificate = _parts(frame)
    header = structs.replace(header, height=FAR)
    certificate = structs.replace(certificate, height=FAR, header_hash=header.hash())
    return structs.replace(frame, header=encode(header), certificate=encode(certificate))


def certificate(frame: Frame) -> Frame:
    """The true snapshot, with one vote under it that its voter did not give."""
    if not isinstance(frame, SnapshotOffer):
        return frame
    _, true = _parts(frame)
    first, *others = true.votes
    votes = (structs.replace(first, signature=_flipped(first.signature)), *others)
    return structs.replace(frame, certificate=encode(structs.replace(true, votes=votes)))


def silent(frame: Frame) -> Frame:
    """It offers nothing: a word that nobody waits for goes out instead."""
    return PieceMissing(0) if isinstance(frame, SnapshotOffer) else frame


LIES: dict[str, Callable[[Frame], Frame]] = {
    "chunk": chunk,
    "height": height,
    "certificate": certificate,
    "silent": silent,
}


def tell(home: Path, lie: str) -> None:
    """Have the daemon of this home lie so from now on; "" for no longer."""
    fresh = home / f"{LIE_NAME}.fresh"
    fresh.write_text(lie)
    fresh.replace(home / LIE_NAME)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    home: Path = parser.parse_args().home
    file = home / LIE_NAME

    def encode_lie(frame: Frame) -> bytes:
        if isinstance(frame, Blocks | Status | SnapshotOffer | Piece):
            name = _read(file)
            if name:
                frame = Blocks((), frame.tip_height) if isinstance(frame, Blocks) else LIES[name](frame)
        return encode_frame(frame)

    vars(network)["encode_frame"] = encode_lie
    try:
        run(load_config(home))
    except OperatorError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.code.exit_code)


if __name__ == "__main__":
    main()
