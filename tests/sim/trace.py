"""What happened, as a hash and the last lines; and what must not have happened."""

from collections import deque
from hashlib import sha256

TAIL_LINES = 40


class Violation(Exception):
    """A promise was broken. Nothing after that means anything."""


class Trace:
    """Every event goes into the hash, so that two runs can be compared; the last ones are kept to be read."""

    def __init__(self, tail_lines: int = TAIL_LINES) -> None:
        self._hash = sha256()
        self.tail: deque[str] = deque(maxlen=tail_lines)
        self.lines = 0

    def add(self, at_ms: int, who: int | str, what: str) -> None:
        line = f"{at_ms:>7} {who} {what}"
        self._hash.update(line.encode())
        self.tail.append(line)
        self.lines += 1

    def hex(self) -> str:
        return self._hash.hexdigest()
