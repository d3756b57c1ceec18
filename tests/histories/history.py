"""Histories: what clients called, when, and what they were told. A consent is a register of three statuses.

Time is a count that all clients of a test share: what returned before another call began has the smaller
number. A call whose end nobody saw (a timeout, a node that was killed) stays open to the end.
"""

import itertools
from dataclasses import dataclass, replace
from typing import NamedTuple

ABSENT, GRANTED, REVOKED = "absent", "granted", "revoked"
READ, GRANT, REVOKE = "read", "grant", "revoke"
OK, UNKNOWN = "ok", "unknown"
TAKEN, NOT_THERE, ALREADY = "duplicate-id", "unknown-consent", "already-done"
"""Rules by which the ledger refuses in a certified block: such an answer tells of the state too."""
OPEN = 1 << 62


class Value(NamedTuple):
    """A consent's status, and the transaction that made it so ("" for none)."""

    status: str
    by: str = ""

    def __str__(self) -> str:
        return f"{self.status} {self.by}".rstrip()


NOTHING = Value(ABSENT)
ANYTHING = Value("anything")


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `by`: the transaction of a write; `seen`: what a read was answered."""

    number: int
    client: str
    gateway: str
    consent: str
    kind: str
    by: str
    invoked: int
    returned: int = OPEN
    outcome: str = UNKNOWN
    seen: Value = NOTHING

    @property
    def answer(self) -> str:
        return str(self.seen) if self.kind == READ and self.outcome == OK else self.outcome


EFFECTS: dict[tuple[str, str], tuple[tuple[str, ...], str]] = {
    (GRANT, OK): ((ABSENT,), GRANTED),
    (GRANT, UNKNOWN): ((ABSENT,), GRANTED),
    (GRANT, TAKEN): ((GRANTED, REVOKED), ""),
    (REVOKE, OK): ((GRANTED,), REVOKED),
    (REVOKE, UNKNOWN): ((GRANTED,), REVOKED),
    (REVOKE, NOT_THERE): ((ABSENT,), ""),
    (REVOKE, ALREADY): ((REVOKED,), ""),
}
"""Of a write with its outcome: the statuses at which it can have been executed, and the one it leaves ("":
as it was). An unknown one is executed so or, like a refused one, without effect."""


def step(value: Value, operation: Operation) -> Value | None:
    """The value after the operation is executed at `value`; None where it cannot have been."""
    if operation.kind == READ:
        return operation.seen if value in (operation.seen, ANYTHING) else None
    needed, left = EFFECTS[operation.kind, operation.outcome]
    if value != ANYTHING and value.status not in needed:
        return None
    return Value(left, operation.by) if left else value


class Recorder:
    """Takes down a history while it happens."""

    def __init__(self) -> None:
        self._time = itertools.count(1)
        self._operations: dict[int, Operation] = {}

    def invoke(self, client: str, gateway: str, consent: str, kind: str, by: str = "") -> int:
        """A call begins; its number."""
        at = next(self._time)
        self._operations[at] = Operation(at, client, gateway, consent, kind, by, at)
        return at

    def respond(self, number: int, outcome: str, seen: Value = NOTHING) -> None:
        """It was answered. What is answered after the client gave up counts as well."""
        self._operations[number] = replace(
            self._operations[number], returned=next(self._time), outcome=outcome, seen=seen
        )

    def forget(self, number: int) -> None:
        """It certainly had no effect and told nothing of the consent."""
        del self._operations[number]

    @property
    def history(self) -> tuple[Operation, ...]:
        return tuple(self._operations.values())
