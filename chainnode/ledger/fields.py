"""Checks of single fields, for the forms of payloads and rows."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chainnode.ledger.rules import RefusedError
from consensus.domain import PUBLIC_KEY_BYTES

Verify = Callable[[bytes, bytes, bytes], bool]
"""(key, signed bytes, signature): Ed25519 by libsodium's rule."""
ValidPoint = Callable[[bytes], bool]
"""crypto_core_ed25519_is_valid_point: on the curve, in the main subgroup, canonical."""

SEALING_KEY_BYTES = 1_216
"""MLKEM768-X25519: 1,184 and 32."""
MAX_MEMBERS = 65_536
MAX_TRUSTEES = 255
"""As many shares as TDH2 numbers (vault/tdh2.py)."""
MAX_NUMBER = 2**53
MAX_EPOCH = 2**31
MAX_DISEASE_CHARACTERS = 64
MAX_LOCATOR_BYTES = 512
MAX_SEALED_KEY_BYTES = 2_048
LEVELS = (1, 5)
"""GB/T 39725: five levels of health data."""

SCOPE_ALL, SCOPE_CLASS, SCOPE_CONSENT, SCOPE_REQUEST = "all", "class", "consent", "request"
ROLE_PROJECT = "project"
SHARE_PROVIDER, SHARE_REQUESTER = "provider", "requester"

MAX_SLUG_CHARS = 32
SLUG_PATTERN = rf"[a-z0-9-]{{1,{MAX_SLUG_CHARS}}}"
_SLUG = re.compile(SLUG_PATTERN)


@dataclass(frozen=True, slots=True)
class FormContext:
    chain_id: bytes
    verify: Verify
    valid_point: ValidPoint


def require(condition: bool, rule: str, detail: str) -> None:
    """Raises RefusedError where `condition` does not hold."""
    if not condition:
        raise RefusedError(rule, detail)


def require_slug(value: str, what: str) -> None:
    require(bool(_SLUG.fullmatch(value)), "malformed", f"{what} is not 1 to 32 of a-z, 0-9 and -")


def require_length(value: bytes, length: int, what: str) -> None:
    require(len(value) == length, "malformed", f"{what} has {len(value)} bytes instead of {length}")


def require_number(value: int, low: int, high: int, what: str) -> None:
    require(low <= value <= high, "malformed", f"{what} = {value} lies outside {low} to {high}")


def require_distinct(values: Sequence[Any], least: int, most: int, what: str) -> None:
    require(least <= len(values) <= most, "malformed", f"{len(values)} {what}: {least} to {most} are taken")
    require(len(frozenset(values)) == len(values), "duplicate", f"{what} name one twice")


def require_key(key: bytes, form: FormContext, what: str) -> None:
    require_length(key, PUBLIC_KEY_BYTES, what)
    require(form.valid_point(key), "bad-key", f"{what} is not a valid point")
