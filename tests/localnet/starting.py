"""How `make localnet`, `demo` and `figures` begin: light, so that Ctrl-C is heard from the first."""

import importlib
import os
import signal
import sys

EXIT_INTERRUPTED = 130
"""As a shell names SIGINT."""


def start(module: str) -> int:
    """Import a command, which takes a second or two, and run its `main`."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    return int(importlib.import_module(module).main())


def _leave(*_: object) -> None:
    """Nothing runs yet that would have to be stopped, and an import that breaks off gives a traceback."""
    sys.stdout.flush()
    os.write(sys.stderr.fileno(), b"interrupted: nothing was started\n")
    os._exit(EXIT_INTERRUPTED)
