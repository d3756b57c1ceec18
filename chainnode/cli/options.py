"""Options that many commands share, and what is done with them."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import typer

from chainnode.cli.actions import duo
from chainnode.cli.actions.base import barrier
from chainnode.cli.errors import usage
from chainnode.cli.next_steps import HOME_VARIABLE, command, remember_node
from chainnode.cli.output import warn
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.fields import MAX_SLUG_CHARS, SLUG_PATTERN
from chainnode.ledger.payloads import DATA_CLASSES, MODIFIERS, PERMISSIONS, UsePolicy
from chainnode.node.api import Role
from chainnode.node.config import load_config
from chainnode.vault.files import passphrase_of, read_passphrase_file
from genesis.membership import MAX_HEIGHT

T = TypeVar("T")
K = TypeVar("K", covariant=True)


class Kdf(StrEnum):
    """Cost of opening a key file: argon2id's levels."""

    INTERACTIVE = "interactive"
    MODERATE = "moderate"
    SENSITIVE = "sensitive"


def within(least: int, most: int) -> Callable[[typer.CallbackParam, int | None], int | None]:
    """Bounds of a number on the command line; typer's own would stand in the help's narrowest column. They
    raise OperatorError CLI-01."""

    def check(option: typer.CallbackParam, value: int | None) -> int | None:
        if value is not None and not least <= value <= most:
            raise usage(
                f"{option.opts[0]} {value} is out of bounds: {least} to {most} are allowed",
                "type the command again with such a number",
            )
        return value

    return check


HomeOption = Annotated[
    Path | None,
    typer.Option("--home", envvar=HOME_VARIABLE, help="The node's home folder.", show_default=False),
]
SocketOption = Annotated[
    Path | None,
    typer.Option(
        "--socket", help="The socket to use instead of the one that the home names.", show_default=False
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="One JSON document instead of tables, for errors too.")
]
HeightOption = Annotated[
    int,
    typer.Option(
        "--min-height",
        callback=within(0, MAX_HEIGHT),
        metavar="HEIGHT",
        help="Wait until the node has certified this height.",
    ),
]
StrongOption = Annotated[
    bool,
    typer.Option(
        "--strong",
        help="Show whatever was certified anywhere before this command began: a block is made first.",
    ),
]
PassphraseOption = Annotated[
    Path, typer.Option("--passphrase-file", help="File that holds the passphrase of the key file.")
]
RecoveryOption = Annotated[
    Path | None,
    typer.Option(
        "--recovery-passphrase-file", help="A second passphrase that opens the file.", show_default=False
    ),
]
KdfOption = Annotated[
    Kdf,
    typer.Option(
        "--kdf",
        metavar="LEVEL",
        help="Cost of opening the file (argon2id): interactive, moderate or sensitive.",
    ),
]
WalletArgument = Annotated[Path, typer.Argument(help="The patient's wallet.")]
MemberOption = Annotated[str, typer.Option("--member", help="The hospital's id that enrolled the patient.")]
RequestArgument = Annotated[
    str, typer.Argument(metavar="REQUEST", help="The application's id, or its first 8 digits or more.")
]
DepartmentOption = Annotated[str, typer.Option("--department", help="The department's id.")]


class Target:
    """Which node a command talks to, over which role's socket. `genesis_file`: the home's, if it was read."""

    def __init__(
        self,
        home: Path | None,
        socket: Path | None,
        role: Role,
        min_height: int = 0,
        *,
        strong: bool = False,
    ) -> None:
        """Raises OperatorError CLI-01 where neither is given, CFG-xx where the home's file is wrong."""
        if socket is None and home is None:
            raise usage(
                "neither --home nor --socket says which node is meant",
                f"give one of them, or name the home in the environment: export {HOME_VARIABLE}=FOLDER",
            )
        remember_node(home, socket, role.value)
        self.genesis_file: Path | None = None
        if socket is None:
            assert home is not None
            config = load_config(home)
            self.genesis_file = config.genesis_file
            socket = config.socket(role).path
        self.socket = socket
        self._min_height = min_height
        self._strong = strong

    def call(self, action: Callable[[GatewayClient], Awaitable[T]]) -> T:
        """Connect, wait for the height asked for (or a barrier), run `action`."""
        return asyncio.run(self._call(action))

    async def _call(self, action: Callable[[GatewayClient], Awaitable[T]]) -> T:
        async with GatewayClient(self.socket) as client:
            if self._min_height or self._strong:
                await barrier(client, self._min_height, strong=self._strong)
            return await action(client)


class _Openable(Protocol[K]):
    def open(self, path: Path, passphrase: bytes) -> K: ...


def open_key(kind: _Openable[K], file: Path, passphrase_file: Path) -> K:
    """Open a key file. Raises OperatorError KEY-xx."""
    with passphrase_of(passphrase_file):
        return kind.open(file, read_passphrase_file(passphrase_file, warn))


def passphrase(file: Path) -> bytes:
    """Raises OperatorError KEY-07."""
    return read_passphrase_file(file, warn)


def optional_passphrase(file: Path | None) -> bytes | None:
    """As `passphrase`, where a file is named."""
    return None if file is None else passphrase(file)


_SHOWN_BY = {
    "handle": ("patient", "list"),
    "object": ("record", "list", "--objects"),
    "consent": ("consent", "list", "--help"),
}


def require_ids(**ids: str) -> None:
    """Ids of departments, studies and projects, by what each is. Raises OperatorError CLI-01."""
    for what, text in ids.items():
        if not re.fullmatch(SLUG_PATTERN, text):
            raise usage(
                f"{text[:40]!r} is no {what}'s id: 1 to {MAX_SLUG_CHARS} lower-case letters a-z, digits and "
                "hyphens are allowed",
                "type the command again with such an id, for example onco-1",
            )


def require_text(option: str, text: str, longest: int, *, least: int = 1) -> None:
    """Other hospitals read it: as a name it has one line, without what a terminal obeys or hides. Raises
    OperatorError CLI-01."""
    following = command("request", "new", "--help")
    if not least <= len(text) <= longest:
        raise usage(f"the {option} has {len(text)} characters, {least} to {longest} are allowed", following)
    if not text.isprintable():
        raise usage(f"{text[:80]!a} is no {option}: one line of printable characters is", following)


def hex_id(text: str, length: int, what: str) -> bytes:
    """An id of `length` bytes from its hex digits; `what`: "handle", "object" or "consent".

    Raises OperatorError CLI-01.
    """
    if len(text) != 2 * length or not re.fullmatch(r"[0-9a-fA-F]+", text):
        raise usage(
            f"{text!r} is no {what}: {2 * length} hex digits are needed",
            command(*_SHOWN_BY[what], remark="shows them"),
        )
    return bytes.fromhex(text)


def require_digits(text: str, what: str) -> None:
    """The first digits of an id, enough to look for it by. Raises OperatorError CLI-01."""
    if not re.fullmatch(r"[0-9a-fA-F]{8,32}", text):
        raise usage(
            f"{text!r} is no {what}: 8 to 32 hex digits are needed",
            command(*_SHOWN_BY[what], remark="shows them"),
        )


def known_terms(given: Iterable[str], known: Sequence[str], what: str) -> tuple[str, ...]:
    """Each term as it stands in `known`, whatever its case. Raises OperatorError CLI-01, listing `known`."""
    spelled = {term.casefold(): term for term in known}
    found = {term: spelled.get(term.casefold()) for term in given}
    for term, spelling in found.items():
        if spelling is None:
            raise usage(f"{term!r} is no {what} that is known here", f"name one of: {', '.join(known)}")
    return tuple(dict.fromkeys(spelling for spelling in found.values() if spelling is not None))


def data_classes(values: list[str] | None) -> tuple[str, ...]:
    """`--class a,b --class c`. Raises OperatorError CLI-01."""
    return known_terms(split_list(values), DATA_CLASSES, "data class")


def use_policy(permission: str, modifiers: list[str] | None, disease: str) -> UsePolicy:
    """A use policy in the terms of GA4GH's Data Use Ontology, by name or id. Raises OperatorError CLI-01."""
    (chosen,) = known_terms(duo.named([permission]), PERMISSIONS, "permission of the Data Use Ontology")
    conditions = known_terms(duo.named(split_list(modifiers)), MODIFIERS, "modifier of the Data Use Ontology")
    if bool(disease) != (chosen == "DS"):
        raise usage("a disease stands with DS and only there", "add or leave out --disease MONDO:0005148")
    return UsePolicy(chosen, tuple(sorted(conditions)), disease)


def moment_ms(text: str, *, end: bool = False) -> int:
    """Unix ms of "30d", "12h", "45m", a date (its end, if `end`), or a time with its zone.

    Raises OperatorError CLI-01.
    """
    relative = re.fullmatch(r"([0-9]{1,5})([dhms])", text)
    if relative:
        unit = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}[relative[2]]
        return int(time.time() * 1_000) + int(
            timedelta(**{unit: int(relative[1])}) / timedelta(milliseconds=1)
        )
    try:
        moment = datetime.fromisoformat(text)
        if re.fullmatch(r"[0-9-]+", text):
            moment += timedelta(days=1) if end else timedelta()
    except (ValueError, OverflowError):  # the last day of the year 9999 has no end
        raise usage(
            f"{text!r} is no time", 'write it as 30d, 12h, 2027-01-31 or "2027-01-31T12:00:00+01:00"'
        ) from None
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1_000)


def split_list(values: list[str] | None) -> tuple[str, ...]:
    """`--class a,b --class c` -> (a, b, c)."""
    items: list[Any] = [item.strip() for value in values or () for item in value.split(",")]
    return tuple(dict.fromkeys(filter(None, items)))
