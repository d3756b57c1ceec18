"""A command group that imports a command's module when the command is called, not before.

So `chainnode --help` and shell completion need neither gRPC nor the vault, and only `run` the daemon.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

COMMANDS_PACKAGE = "chainnode.cli.commands"


@dataclass(frozen=True, slots=True)
class Entry:
    """A module of the commands package that has an `app`; `help` is one line."""

    module: str
    help: str


def reflowed(text: str) -> str:
    """Each paragraph in one line: where lines end is the terminal's matter, not the source's."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


class LazyGroup(TyperGroup):
    """Subclass and set `entries`."""

    entries: Mapping[str, Entry] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in self.entries.items():
            self.add_command(TyperCommand(name=name, help=entry.help))

    def load(self, name: str) -> Any:
        """The command itself."""
        command = get_command(import_module(f"{COMMANDS_PACKAGE}.{self.entries[name].module}").app)
        command.name = name
        for one in (command, *getattr(command, "commands", {}).values()):
            one.help = reflowed(one.help or "")
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in self.entries:
            return args[0], self.load(args[0]), args[1:]
        return super().resolve_command(ctx, args)
