"""`python -m tests.e2e.tapped_node --home HOME`: a daemon that also writes down every frame that it sends,
as it is before encryption, to <home>/frames.tap."""

import argparse
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from chainnode.net.port import Channel, PeerId
from chainnode.node.config import load_config
from chainnode.node.daemon import run
from genesis.errors import OperatorError

TAP_NAME = "frames.tap"
HEADER = struct.Struct(">BBI")
"""Channel, peer, length of the frame that follows."""


def tapped(home: Path) -> Iterator[tuple[Channel, PeerId, bytes]]:
    """(channel, receiver, frame) in the order in which the daemon wrote them to its links."""
    data = (home / TAP_NAME).read_bytes()
    at = 0
    while at < len(data):
        channel, peer, length = HEADER.unpack_from(data, at)
        at += HEADER.size
        yield Channel(channel), peer, data[at : at + length]
        at += length


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    home: Path = parser.parse_args().home
    file = os.open(home / TAP_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def tap(direction: Literal["in", "out"], peer: PeerId, channel: Channel, frame: bytes) -> None:
        if direction == "out":
            os.write(file, HEADER.pack(channel, peer, len(frame)) + frame)

    try:
        run(load_config(home), tap=tap)
    except OperatorError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.code.exit_code)


if __name__ == "__main__":
    main()
