"""`make localnet`: four nodes that keep running until Ctrl-C, and sample bundles to take in."""

import argparse
import asyncio
from pathlib import Path

from tests.localnet.bundles import write_bundles
from tests.localnet.consortium import found
from tests.localnet.folders import fresh
from tests.localnet.nodes import Nodes
from tests.localnet.running import SIGNALS, run
from tests.localnet.shown import chainnode, shown

BUNDLES = 8


def say(text: str) -> None:
    print(text, flush=True)


def _prepare(folder: Path) -> None:
    fresh(folder, "localnet")
    write_bundles(folder / "bundles", BUNDLES)


async def _name_those_that_end(nodes: Nodes) -> None:
    """Until cancelled: what was stopped by hand stays down, and the command that starts it again is said."""
    while True:
        for hospital, code in nodes.ended():
            again = chainnode("run", "--home", hospital.home)
            say(f"{hospital.id}: ended with {code}; in another terminal, until Ctrl-C there: {again}")
        await asyncio.sleep(0.5)


async def localnet(folder: Path) -> None:
    """Found the network, start it, and wait for a signal. Raises OperatorError."""
    await asyncio.to_thread(_prepare, folder)
    say(f"{BUNDLES} sample bundles of synthetic patients are in {shown(folder / 'bundles')}")
    consortium = await asyncio.to_thread(found, folder, say=say)
    with Nodes(consortium, say=say) as nodes:
        nodes.start()
        await nodes.ready()
        # From here on Ctrl-C is the way to end it, not an interruption.
        stop = asyncio.Event()
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        say("in another terminal: " + chainnode("status", "--home", consortium.hospitals[0].home))
        say("or the tour in README.md; running, Ctrl-C stops all four")
        watching = asyncio.create_task(_name_those_that_end(nodes))
        await stop.wait()
        watching.cancel()
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, lambda: None)
    say("stopped: all four")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make localnet", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(".localnet"), help="where everything is written")
    return run(localnet(parser.parse_args().folder.absolute()))
