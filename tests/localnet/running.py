"""Runs a command's job: an error has three parts, and Ctrl-C ends it with one line, after its clean-up."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any

from chainnode.cli.errors import describe
from chainnode.cli.output import show_error
from chainnode.node.api import Refused
from genesis.errors import OperatorError
from tests.localnet.starting import EXIT_INTERRUPTED

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """SIGINT or SIGTERM came; the job has cleaned up."""


async def _until_interrupted(job: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(job)
    interrupted = False

    def interrupt() -> None:
        # Once: a second Ctrl-C must not break off the clean-up that the first began.
        nonlocal interrupted
        if not interrupted:
            interrupted = task.cancel()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    try:
        await task
    except asyncio.CancelledError:
        raise Interrupted from None


def run(job: Coroutine[Any, Any, None]) -> int:
    """Run the job to its end: 0, the exit code of an error that is then printed, or 130."""
    try:
        asyncio.run(_until_interrupted(job))
    except (OperatorError, Refused) as error:
        report = describe(error)
        show_error(report, json=False)
        return report.exit_code
    except Interrupted:
        print("interrupted: all nodes that were started are stopped", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # what is left is the interpreter's own end
    return 0
