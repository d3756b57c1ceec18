"""Every number on the command line has bounds, and the call to the node has them too."""

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from chainnode.cli.main import app
from chainnode.gateway.client import GatewayClient
from chainnode.node.api import AnchorOrder, Refused
from genesis.errors import EXIT_USAGE

HUGE = (10**23, -(10**23), 2**64, -1)


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """(words, command) of every command there is."""
    root: Any = get_command(app)
    for name in root.entries:
        loaded = root.load(name)
        children = getattr(loaded, "commands", None)
        if children is None:
            yield (name,), loaded
        else:
            yield from (((name, child), one) for child, one in children.items())


def numbers() -> list[tuple[tuple[str, ...], Any, Any]]:
    """(words, command, option) of every option or argument that takes a whole number."""
    return [
        (words, one, parameter)
        for words, one in commands()
        for parameter in one.params
        if parameter.type_descriptor.annotation in (int, float)
    ]


NUMBERS = numbers()
IDS = [" ".join((*words, option.opts[0])) for words, _, option in NUMBERS]


def test_the_walk_finds_them():
    assert {"status --min-height", "member propose --delay", "record add --level"} <= set(IDS)
    assert len(IDS) > 20


@pytest.mark.parametrize(("words", "command", "option"), NUMBERS, ids=IDS)
def test_a_number_out_of_bounds_is_refused_with_the_bounds_named(words, command, option, cli):
    needed = [one for one in command.params if one.required and one is not option]

    def refused(number: int) -> str:
        ran = cli(*words, *filled(needed), f"{option.opts[0]}={number}", "--json")
        assert (ran.code, ran.error["code"]) == (EXIT_USAGE, "CLI-01"), ran.err
        what: str = ran.error["what"]
        return what

    bounds = re.search(r"(\d+) to (\d+) are allowed", refused(HUGE[0]))
    assert bounds is not None
    for number in (HUGE[1], int(bounds[1]) - 1, int(bounds[2]) + 1):
        assert f"{option.opts[0]} {number} is out of bounds: {bounds[0]}" in refused(number)


def filled(needed: list[Any]) -> list[str]:
    """Something for whatever must be there."""
    arguments = []
    for one in needed:
        kind = one.type_descriptor.annotation
        value = next(iter(kind)).value if isinstance(kind, type) and issubclass(kind, Enum) else "x"
        arguments += [value] if one.param_type_name == "argument" else [one.opts[0], value]
    return arguments


@pytest.mark.parametrize("text", ["9999-12-31", "0001-01-01"])
def test_a_time_at_the_end_of_the_calendar_is_no_fault_of_ours(text, cli, tmp_path, secret):
    files = (
        "--head-file",
        tmp_path / "head",
        "--project-file",
        tmp_path / "p",
        "--passphrase-file",
        secret(),
    )
    names = ("--department", "onco", "--project", "heart", "--title", "Heart", "--purpose", "HMB")
    where = ("--socket", tmp_path / "s", "--project-passphrase-file", secret())
    ran = cli("request", "new", *files, *names, *where, f"--expires={text}", "--json")
    assert ran.error["code"] in ("CLI-01", "KEY-01")


CALLS = {
    "submit": {"submission": b""},
    "read": {"key": b""},
    "block": {},
    "blocks": {},
    "events": {},
    "receipt": {"request_id": bytes(16)},
    "state_proof": {"keys": ()},
    "stretch": {"first": 1, "last": 1},
    "anchor": {"order": AnchorOrder("onco", "study", b"", (), b"", b"")},
}


def integers(method: Any) -> list[str]:
    """Names of a method's parameters that are whole numbers."""
    return [name for name, one in inspect.signature(method).parameters.items() if one.annotation is int]


def call_integers() -> list[tuple[str, str]]:
    methods = inspect.getmembers(GatewayClient, inspect.isfunction)
    return [
        (name, parameter)
        for name, method in methods
        if not name.startswith("_")
        for parameter in integers(method)
    ]


@pytest.mark.parametrize(("name", "parameter"), call_integers())
@pytest.mark.parametrize("number", HUGE)
def test_a_call_refuses_a_number_that_does_not_fit(name, parameter, number):
    async def run() -> None:
        client = GatewayClient(Path("nobody.sock"))
        result = getattr(client, name)(**CALLS[name] | {parameter: number})
        if isinstance(result, AsyncIterator):
            await anext(result)
        await result

    with pytest.raises(Refused, match=str(number)) as refused:
        asyncio.run(run())
    assert refused.value.rule == "request-malformed"
