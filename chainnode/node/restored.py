"""A node that came out of a backup: it does not know what it said after the backup was made.

Its vote log is gone, for no backup holds one. So it casts no vote until a certificate lies beyond whatever it
may have voted on. The mark is a local row and outlives restarts:

    "asking"    it has not heard yet, from a quorum of the others, how far the chain is and which of its votes
                they hold; every start begins anew
    "holding"   it has heard: the vote log holds the HoldRecord that keeps it silent (consensus/restore.py)

The mark goes when the node votes again.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct, structs

from chainnode.node.errors import NOD_FOREIGN_BACKUP
from consensus.codec import decode, encode
from genesis.errors import OperatorError

MARK_KEY = b"restored"
ASKING, HOLDING = "asking", "holding"
MAX_MARK_BYTES = 1_024


class Mark(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`validator_key` signed the backup; `height`: certified when it was made, 0 where that is not known."""

    phase: str
    validator_key: bytes
    created_ms: int
    height: int


class Rows(Protocol):
    def local_get(self, key: bytes) -> bytes | None: ...

    def local_write(self, writes: Mapping[bytes, bytes | None]) -> None: ...


class Restored:
    def __init__(self, rows: Rows, held: Sequence[bytes]) -> None:
        """`held`: this node's validator keys. Raises OperatorError NOD-06 where another signed the backup."""
        self._rows = rows
        data = rows.local_get(MARK_KEY)
        self._mark = None if data is None else decode(data, Mark, limit_bytes=MAX_MARK_BYTES)
        if self._mark is not None and self._mark.validator_key not in held:
            raise OperatorError(
                NOD_FOREIGN_BACKUP,
                "the backup behind this home was signed by another key than the keystore in it holds",
                unchanged="nothing was started; no vote was cast",
                next_step="do not use this backup: somebody put it together from parts; restore another one",
            )

    @property
    def marked(self) -> bool:
        return self._mark is not None

    @property
    def asking(self) -> bool:
        return self._mark is not None and self._mark.phase == ASKING

    @property
    def trouble(self) -> str:
        """In words, empty where there is no mark."""
        if self._mark is None:
            return ""
        made = datetime.fromtimestamp(self._mark.created_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
        waits = "waits to hear of a quorum of the others" if self.asking else "votes again when that is safe"
        return f"restored from a backup of {made}: it follows without voting and {waits}"

    def heard(self) -> None:
        """The hold is in the vote log."""
        if self._mark is not None and self.asking:
            self._keep(structs.replace(self._mark, phase=HOLDING))

    def safe(self) -> None:
        """It votes again: it is a node like any other."""
        if self._mark is not None and not self.asking:
            self._mark = None
            self._rows.local_write({MARK_KEY: None})

    def _keep(self, mark: Mark) -> None:
        self._mark = mark
        self._rows.local_write({MARK_KEY: encode(mark)})
