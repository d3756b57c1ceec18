"""Errors that a person sees: what failed with a code, what stayed unchanged, what to do next."""

import shlex
from dataclasses import dataclass

EXIT_OK = 0
EXIT_BUG = 1
EXIT_USAGE = 2
EXIT_INPUT = 3
EXIT_KEY = 4
EXIT_REFUSED = 5
EXIT_IN_USE = 6
EXIT_ENVIRONMENT = 7
EXIT_VERIFY = 8
EXIT_TIMEOUT = 9

EXIT_MEANINGS = {
    EXIT_OK: "done",
    EXIT_BUG: "a fault of chainnode itself",
    EXIT_USAGE: "the command line or the configuration is wrong",
    EXIT_INPUT: "an input file is missing or wrong, or not all of it went in",
    EXIT_KEY: "a key or passphrase does not fit",
    EXIT_REFUSED: "a rule refuses it, or there is no such thing: the rule is named",
    EXIT_IN_USE: "the node is not reachable, or a port, socket or folder is in use",
    EXIT_ENVIRONMENT: "the machine lacks something: disk space, a permission, a package",
    EXIT_VERIFY: "verification failed: the file does not prove what it says",
    EXIT_TIMEOUT: "no answer in time; what was submitted may still take effect",
}


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A documented code (`KEY-02`), its exit code, and its meaning in one clause."""

    code: str
    exit_code: int
    meaning: str


ERROR_CODES: dict[str, ErrorCode] = {}
"""Every code that was defined, for the reference in the documentation."""


def define(code: str, exit_code: int, meaning: str) -> ErrorCode:
    """Register a code. Defining one twice is a fault of ours."""
    assert code not in ERROR_CODES and exit_code in EXIT_MEANINGS
    ERROR_CODES[code] = ErrorCode(code, exit_code, meaning)
    return ERROR_CODES[code]


def quoted(path: object) -> str:
    """A path, or any other word, as a shell takes it: for the commands of a next step."""
    return shlex.quote(str(path))


def set_aside(path: object, ending: str = ".old") -> str:
    """The command that gives what is at `path` another name."""
    return f"mv {quoted(path)} {quoted(f'{path}{ending}')}"


class OperatorError(Exception):
    """The operator's or the environment's doing, never a fault of ours and never a peer's.

    `what`: what failed; `unchanged`: what was tried and what stayed as it was; `next_step`: a
    command or an action.
    """

    def __init__(self, code: ErrorCode, what: str, *, unchanged: str, next_step: str) -> None:
        super().__init__(f"error[{code.code}]: {what}")
        self.code = code
        self.what = what
        self.unchanged = unchanged
        self.next_step = next_step
