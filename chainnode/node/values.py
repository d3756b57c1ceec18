"""What a value in the configuration may be: what TOML gave goes in, what the node uses comes out.

All raise ValueError with what the value must be, to be read behind "must be".
"""

import difflib
import ipaddress
import re
from collections.abc import Callable, Iterable

_CREDENTIAL = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ADDRESS = re.compile(
    r"(?:\[([0-9A-Fa-f:.]{2,45}(?:%[A-Za-z0-9._-]{1,15})?)\]|([A-Za-z0-9._-]{1,253})):([0-9]{1,5})"
)
_NUMBERS = re.compile(r"[0-9.]+")
_MODE = re.compile(r"0[0-7]{3}")


def text(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > 1_024 or not value.isprintable():
        raise ValueError("a text of 1 to 1024 printable characters")
    return value


def name(value: object) -> str:
    if value == "":
        return ""
    if not isinstance(value, str) or not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", value):
        raise ValueError("a Unix name, or empty")
    return value


def credential(value: object) -> str:
    if not isinstance(value, str) or not _CREDENTIAL.fullmatch(value):
        raise ValueError("the name of a systemd credential")
    return value


def port(value: object) -> int:
    if type(value) is not int or not 0 <= value <= 65_535:
        raise ValueError("a port, 0 to 65535 (0: any free one)")
    return value


def megabytes(value: object) -> int:
    if type(value) is not int or not 0 <= value <= 100_000_000:
        raise ValueError("a number of MB, 0 to 100000000 (0: no reserve)")
    return value


def mode(value: object) -> int:
    if not isinstance(value, str) or not _MODE.fullmatch(value) or int(value, 8) & 0o007:
        raise ValueError('an octal mode in quotes that shuts out others, such as "0660"')
    return int(value, 8)


def address(value: object) -> tuple[str, int]:
    parts = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if parts is None:
        raise ValueError('"host:port", such as "10.0.0.2:7400" or "[fd00::2]:7400"')
    if not 1 <= int(parts[3]) <= 65_535:
        raise ValueError("a port from 1 to 65535")
    host = parts[1] or parts[2]
    if parts[1] or _NUMBERS.fullmatch(host):
        try:
            ipaddress.ip_address(host)
        except ValueError as error:
            raise ValueError(f"an IP address or a name: {error}") from None
    return host, int(parts[3])


def own_address(value: object) -> tuple[str, int]:
    """One that this machine alone reaches."""
    host, port_ = address(value)
    if not (":" in host or _NUMBERS.fullmatch(host)) or not ipaddress.ip_address(host).is_loopback:
        raise ValueError('an address of this machine alone, such as "127.0.0.1:7401" or "[::1]:7401"')
    return host, port_


def choice(*allowed: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in allowed:
            raise ValueError("one of " + ", ".join(allowed))
        return str(value)

    return parse


def count(least: int, most: int) -> Callable[[object], int]:
    """A whole number within these bounds."""

    def parse(value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return value

    return parse


def meant(name: str, known: Iterable[str]) -> str:
    """`; did you mean listen.port?` where a known key is close to `name`, else nothing. `*` in a known key
    stands for one part of a name."""
    parts = name.split(".")
    spelled = set()
    for key in known:
        wanted = key.split(".")
        if len(wanted) == len(parts):
            wanted = [given if part == "*" else part for part, given in zip(wanted, parts, strict=True)]
        spelled.add(".".join(wanted))
    close = difflib.get_close_matches(name, sorted(spelled), n=1)
    return f"; did you mean {close[0]}?" if close else ""
