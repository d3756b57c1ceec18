"""What a command prints: a table for people, or with --json one JSON document for programs.

Results go to stdout, errors and warnings to stderr. Bytes are shown in hex, ids whole: what is printed can be
given to the next command. Texts come from chains, files, peers and users: what a terminal would obey or hide
in them is escaped here, in one place. With --json an error holds the warnings that came before it, so that
stderr is one document too; without an error they are lines for people, as ever.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markup import escape
from rich.table import Table

from chainnode.cli.errors import Report
from genesis.display import unseen, visible

_ID = re.compile(r"[0-9a-f]{32}")
WORD = 12
"""Characters of a word that is never broken."""
BORDER = 3
"""Columns of the terminal for a table's line and the blanks beside it."""

_held: ContextVar[list[str] | None] = ContextVar("held", default=None)
"""With --json: the warnings so far. Without, they are printed at once."""


class Lines(tuple[str, ...]):
    """Lines of a table's cell. A line break within one of them is escaped."""

    __slots__ = ()


def hold_warnings(json: bool) -> None:
    """At the beginning of a command line: whether its warnings wait for how it ends."""
    _held.set([] if json else None)


def console(*, stderr: bool = False) -> Console:
    """Made anew for each use, so that it follows sys.stdout when a caller replaces it."""
    return Console(stderr=stderr, highlight=False, soft_wrap=False)


def plain(value: Any) -> Any:
    """A value for JSON: bytes as hex, everything else that JSON lacks as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    return plain(str(value))


def _json(value: Any) -> str:
    text = msgspec.json.format(msgspec.json.encode(plain(value)), indent=2).decode()
    if text.isascii() and "\x7f" not in text:
        return text
    # Line breaks are the format's own: within texts they are escaped already.
    return "".join(_escaped(one) if one != "\n" and unseen(one) else one for one in text)


def _escaped(one: str) -> str:
    """A character as JSON spells it by its number; two numbers of UTF-16 where it takes two."""
    units = one.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


class Folding(Table):
    """A table that stands as one name and value a line, row below row, where the terminal is too narrow for
    its columns: rich would cut those on the right off. `needed`: columns of the terminal that it takes."""

    needed = 0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.needed <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        stacked = Table(title=self.title, title_justify="left", title_style="bold", show_header=False)
        stacked.caption, stacked.caption_justify = self.caption, "left"
        stacked.add_column()
        stacked.add_column(overflow="fold")
        for row in zip(*(column.cells for column in self.columns), strict=True):
            for column, cell in zip(self.columns, row, strict=True):
                stacked.add_row(column.header, cell)
            stacked.add_section()
        yield stacked


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> Folding:
    """Columns that hold numbers are named with their unit by the caller and aligned to the right.

    `caption` stands below and explains what a cell may show.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    built = Folding(title=_safe(title), title_justify="left", title_style="bold")
    built.caption, built.caption_justify = _safe(caption) or None, "left"
    for index, column in enumerate(columns):
        numeric = bool(cells) and all(_numeric(row[index]) for row in cells)
        # Where the terminal is narrow, texts and headers wrap; numbers and short words do not.
        whole = all(_whole(row[index]) for row in cells)
        widest = max((len(row[index]) for row in cells), default=0)
        words = (len(word) for row in (columns, *cells) for word in row[index].split())
        built.needed += BORDER + max(min(WORD, max(words, default=0)), widest if numeric or whole else 0)
        built.add_column(
            _safe(column),
            justify="right" if numeric else "left",
            overflow="fold",
            # Cropped, a number would be another number.
            min_width=widest if numeric or whole else None,
            # Rich takes room from the widest column first, and gives it back past the terminal's edge.
            no_wrap=(numeric or whole) and widest >= len(column),
        )
    built.needed += 1
    for row in cells:
        built.add_row(*map(escape, row))
    return built


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, Lines):
        return "\n".join(map(visible, value))
    return "-" if value is None else visible(str(value))


def _safe(text: str) -> str:
    """For rich: nothing that a terminal would obey, and no markup."""
    return escape(visible(text))


def _whole(text: str) -> bool:
    """A short word, or an id of 32 digits: it is copied from the table into the next command."""
    return " " not in text and (len(text) <= WORD or _ID.fullmatch(text) is not None)


def _numeric(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("<").removesuffix("+").isdigit() or text == "-"


def pairs(title: str, items: Mapping[str, Any]) -> Folding:
    """A table of names and values."""
    built = table(title, ("", ""), items.items())
    built.show_header = False
    return built


def show(data: Any, *shown: Any, json: bool) -> None:
    """`data` as JSON, or what is `shown` for people: tables, and lines of text (printed as they are)."""
    if json:
        sys.stdout.write(_json(data) + "\n")
        return
    out = console()
    for item in shown:
        out.print(_safe(item) if isinstance(item, str) else item, soft_wrap=isinstance(item, str))


def show_error(report: Report, *, json: bool) -> None:
    """The three parts of an error on stderr."""
    if json:
        error: dict[str, Any] = {
            "code": report.code,
            "what": report.what,
            "unchanged": report.unchanged,
            "next": report.next_step,
            "exit_code": report.exit_code,
        }
        if report.statement:
            error["statement"] = report.statement
        if _held.get():
            error["warnings"] = _held.get()
        sys.stderr.write(_json({"error": error}) + "\n")
        return
    out = console(stderr=True)
    out.print(f"[bold red]error\\[{_safe(report.code)}][/]: {_safe(report.what)}", soft_wrap=True)
    out.print(f"  unchanged: {_safe(report.unchanged)}", soft_wrap=True)
    out.print(f"  next:      {_safe(report.next_step)}", soft_wrap=True)


def warn(text: str) -> None:
    """A line for people on stderr; with --json it waits for `show_warnings` or an error."""
    held = _held.get()
    if held is not None:
        held.append(text)
        return
    console(stderr=True).print(f"[yellow]warning[/]: {_safe(text)}", soft_wrap=True)


def show_warnings() -> None:
    """What was held back, where the command line ended without an error."""
    held, _ = _held.get() or [], _held.set(None)
    for text in held:
        warn(text)


def when(time_ms: int) -> str:
    """A Unix time in ms to the minute, in UTC (which the column or label says); "-" for 0."""
    if time_ms <= 0:
        return "-"
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M")


def size(bytes_: int) -> str:
    """A size in MB of 10^6 bytes."""
    return f"{bytes_ / 1_000_000:.1f}"
