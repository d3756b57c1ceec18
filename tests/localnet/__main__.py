"""`make localnet`: four nodes that keep running until Ctrl-C."""

import argparse
import asyncio
import shutil
import signal
import sys
from pathlib import Path

from chainnode.store.lock import FolderLock
from genesis.errors import EXIT_IN_USE, OperatorError
from tests.localnet.consortium import found
from tests.localnet.nodes import Nodes

MARKER = "made-by-localnet"


async def _until_stopped(nodes: Nodes) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for report in await nodes.ready():
        home = nodes.consortium.hospitals[report.member].home
        print(f"{report.slug}: height {report.height}; chainnode status --home {home}")
    print("running; Ctrl-C stops all four")
    await stop.wait()


def clear(folder: Path) -> str:
    """Remove an earlier network of this command's; why not, where it is another's or still runs."""
    if not folder.exists():
        return ""
    if not (folder / MARKER).exists():
        return f"{folder} was not made by make localnet"
    for home in sorted(folder.glob("*/lock")):
        try:
            FolderLock(home.parent).release()
        except OperatorError as error:
            return error.what
    shutil.rmtree(folder)
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make localnet", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".localnet"))
    folder = parser.parse_args().folder.absolute()
    problem = clear(folder)
    if problem:
        print(
            f"error[LOCALNET]: {problem}\n  unchanged: nothing was touched\n  next: stop it, or --folder",
            file=sys.stderr,
        )
        return EXIT_IN_USE
    try:
        folder.mkdir(parents=True)
        (folder / MARKER).touch()
        with Nodes(found(folder)) as nodes:
            nodes.start()
            asyncio.run(_until_stopped(nodes))
    except OperatorError as error:
        print(f"{error}\n  unchanged: {error.unchanged}\n  next: {error.next_step}", file=sys.stderr)
        return error.code.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
