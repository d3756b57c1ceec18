"""What the spectator of the demo sees: numbered titles, progress where it is long, what to look at."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from chainnode.cli.output import table
from genesis.display import visible

INDENT = "    "
LOOK = INDENT + "look: "


class Step(Protocol):
    def __call__(self, done: int) -> None: ...


class Stage:
    """Prints, and keeps what was said for the tests. A pipe gets plain lines instead of moving bars."""

    def __init__(self, *, quiet: bool = False) -> None:
        width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 110
        self.console = Console(quiet=quiet, highlight=False, width=width)
        self.said: list[str] = []
        self._started = time.monotonic()

    def title(self, number: int, text: str) -> None:
        elapsed = time.monotonic() - self._started
        self.said.append(f"{number}. {text}")
        self.console.print(f"\n[bold]{number:>2}. {escape(visible(text))}[/bold]  [dim]{elapsed:.0f} s[/dim]")

    def gap(self) -> None:
        self.console.print()

    def line(self, text: str) -> None:
        self.said.append(text)
        width = self.console.width - len(INDENT)
        for part in Text(visible(text)).wrap(self.console, width):
            part.rstrip()
            self.console.print(INDENT + part.plain, markup=False, soft_wrap=True)

    def look(self, command: str) -> None:
        """A command to paste, which works with the nodes down. Never wrapped: a broken one is two."""
        self.said.append(command)
        self.console.print(LOOK + visible(command), style="dim", markup=False, soft_wrap=True)

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], caption: str = ""
    ) -> None:
        self.said += [title, *(" | ".join(map(str, row)) for row in rows)]
        self.console.print(table(title, columns, rows, caption))

    @contextmanager
    def progress(self, text: str, total: int) -> Iterator[Step]:
        """`step(done)` moves the bar."""
        if not self.console.is_terminal:
            yield lambda done: None
            self.line(f"{text}: {total}/{total}")
            return
        columns = (
            TextColumn("    {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console) as bar:
            task = bar.add_task(text, total=total)
            yield lambda done: bar.update(task, completed=done)
        self.said.append(f"{text}: {total}/{total}")
