"""`python -m tests.realnet.older_node --home HOME`: a tapped daemon that speaks only the oldest version of
the frames. It notes in <home>/too-new.log every frame of a later version that a peer sent it all the same."""

import sys
from pathlib import Path
from typing import Any

from chainnode.net import linkstate, wire
from chainnode.node import network
from tests.e2e import tapped_node

TOO_NEW_NAME = "too-new.log"
KNOWN = (
    wire.Consensus,
    wire.Batch,
    wire.BatchOffer,
    wire.BatchRequest,
    wire.BatchMissing,
    wire.BlocksRequest,
    wire.Blocks,
    wire.Status,
    wire.OwnVotesRequest,
    wire.OwnVotes,
    wire.ObjectRequest,
    wire.ObjectChunk,
    wire.ObjectMissing,
    wire.PartDelivery,
    wire.PartAck,
    wire.RowsRequest,
    wire.Rows,
)
"""The frames of version 1."""


def main() -> None:
    home = Path(sys.argv[sys.argv.index("--home") + 1])
    (home / TOO_NEW_NAME).touch()

    def decode_frame(data: bytes, *, limit_bytes: int) -> Any:
        frame = wire.decode_frame(data, limit_bytes=limit_bytes)
        if not isinstance(frame, KNOWN):
            with (home / TOO_NEW_NAME).open("a") as log:
                log.write(type(frame).__name__ + "\n")
        return frame

    vars(wire)["NEWEST_VERSION"] = vars(linkstate)["NEWEST_VERSION"] = wire.OLDEST_VERSION
    vars(network)["decode_frame"] = decode_frame
    tapped_node.main()


if __name__ == "__main__":
    main()
