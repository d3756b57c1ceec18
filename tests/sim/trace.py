"""What happened, as a hash and the last lines; and what must not have happened."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

TAIL_LINES = 40
KEPT_EVENTS = 1_500


class Violation(Exception):
    """A promise was broken. Nothing after that means anything."""


@dataclass(frozen=True)
class Event:
    """`to`: whom a message was sent to, and whether it went on its way. `fault`: made by the scenario."""

    at_ms: int
    who: int | str
    what: str
    to: Mapping[int, bool] = field(default_factory=dict)
    fault: bool = False


class Trace:
    """Every event goes into the hash, so that two runs can be compared; the last ones are kept to be read."""

    def __init__(self) -> None:
        self._hash = sha256()
        self.events: deque[Event] = deque(maxlen=KEPT_EVENTS)

    def add(
        self,
        at_ms: int,
        who: int | str,
        what: str,
        *,
        to: Mapping[int, bool] | None = None,
        fault: bool = False,
    ) -> None:
        event = Event(at_ms, who, what, to or {}, fault)
        self._hash.update(_line(event).encode())
        self.events.append(event)

    @property
    def tail(self) -> tuple[str, ...]:
        return tuple(_line(event) for event in list(self.events)[-TAIL_LINES:])

    def hex(self) -> str:
        return self._hash.hexdigest()


def _line(event: Event) -> str:
    return f"{event.at_ms:>7} {event.who} {event.what}"
