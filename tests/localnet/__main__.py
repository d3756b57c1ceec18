"""`make localnet`: four nodes that keep running until Ctrl-C."""

import argparse
import asyncio
import shutil
import signal
import sys
from pathlib import Path

from genesis.errors import OperatorError
from tests.localnet.consortium import found
from tests.localnet.nodes import Nodes


async def _until_stopped(nodes: Nodes) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for report in await nodes.ready():
        home = nodes.consortium.hospitals[report.member].home
        print(f"{report.slug}: height {report.height}; chainnode status --home {home}")
    print("running; Ctrl-C stops all four")
    await stop.wait()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make localnet", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".localnet"))
    folder = parser.parse_args().folder.absolute()
    if folder.exists():
        shutil.rmtree(folder)
    try:
        with Nodes(found(folder)) as nodes:
            nodes.start()
            asyncio.run(_until_stopped(nodes))
    except OperatorError as error:
        print(f"{error}\n  unchanged: {error.unchanged}\n  next: {error.next_step}", file=sys.stderr)
        return error.code.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
