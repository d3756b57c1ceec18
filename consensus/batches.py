"""Batches that are here: which wait to be ordered, which are in a slot, which were ordered."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from consensus.codec import encode
from consensus.types import BatchRef, SequenceNumber

Refs = tuple[BatchRef, ...]


@dataclass(slots=True)
class Wait:
    """A batch that no slot holds: since when it waits and when it was relayed to the primary (monotonic,
    ms)."""

    since_ms: int
    ref_bytes: int
    relayed_ms: int | None = None
    patience_bytes: int = 0
    """Once the primary has ordered so much in all, it has preferred what came later."""
    passed_over: bool = False
    """A block that came long after the relay had room for it."""


class BatchPool:
    """First in, first out. Refs are equal only if every field is.

    A batch is here (`has`) from `add` until the height that orders it is certified or it expires unordered.
    """

    def __init__(self) -> None:
        self._here: dict[BatchRef, None] = {}
        self._waiting: dict[BatchRef, Wait] = {}
        self._placed: dict[BatchRef, SequenceNumber] = {}
        self._ordered: dict[BatchRef, SequenceNumber] = {}
        self._placed_in: dict[SequenceNumber, Refs] = {}
        self._ordered_in: dict[SequenceNumber, Refs] = {}
        self.waiting_bytes = 0
        self.waiting_refs_bytes = 0
        """What the waiting batches weigh, and what their refs do."""
        self.placed_bytes = 0
        """All that was ever placed in a slot."""

    def __len__(self) -> int:
        return len(self._here)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def oldest(self) -> Iterator[tuple[BatchRef, Wait]]:
        """The waiting batches, the oldest first."""
        return iter(self._waiting.items())

    def has(self, ref: BatchRef) -> bool:
        return ref in self._here

    def slot_of(self, ref: BatchRef) -> SequenceNumber | None:
        """The slot that holds `ref`: proposed in this view or ordered not long ago."""
        placed = self._placed.get(ref)
        return self._ordered.get(ref) if placed is None else placed

    def add(self, ref: BatchRef, now_ms: int) -> bool:
        """Take note that a batch is here; whether that is new."""
        if ref in self._here:
            return False
        if self.slot_of(ref) is None:
            self._wait(ref, now_ms)
        self._here[ref] = None
        return True

    def _wait(self, ref: BatchRef, since_ms: int) -> None:
        wait = self._waiting[ref] = Wait(since_ms, len(encode(ref)))
        self.waiting_bytes += ref.size_bytes
        self.waiting_refs_bytes += wait.ref_bytes

    def _stop_waiting(self, refs: Iterable[BatchRef]) -> None:
        for ref in refs:
            wait = self._waiting.pop(ref, None)
            if wait is not None:
                self.waiting_bytes -= ref.size_bytes
                self.waiting_refs_bytes -= wait.ref_bytes

    def choose(self, sequence: SequenceNumber, block_bytes: int, refs_bytes: int) -> Refs:
        """The oldest waiting refs that fit a block for slot `sequence`. The first one always fits."""
        chosen: list[BatchRef] = []
        for ref, wait in self._waiting.items():
            if ref.expiry_height < sequence:
                continue
            block_bytes -= ref.size_bytes
            refs_bytes -= wait.ref_bytes
            if chosen and (block_bytes < 0 or refs_bytes < 0):
                break
            chosen.append(ref)
        return tuple(chosen)

    def proposable(self, sequence: SequenceNumber) -> bool:
        """Whether a batch waits that could still be proposed at `sequence`."""
        return any(ref.expiry_height >= sequence for ref in self._waiting)

    def place(self, refs: Refs, sequence: SequenceNumber) -> None:
        """A proposal of the present view holds them."""
        self._stop_waiting(refs)
        self._placed.update(dict.fromkeys(refs, sequence))
        self._placed_in[sequence] = refs
        self.placed_bytes += sum(ref.size_bytes for ref in refs)

    def unplace(self, now_ms: int) -> None:
        """The view is over: what its proposals held waits again, ahead of what came later. Nothing counts as
        relayed, for the primary is another."""
        waited = {ref: wait.since_ms for ref, wait in self._waiting.items()}
        again = self._unordered(ref for refs in self._placed_in.values() for ref in refs)
        self._waiting.clear()
        self._placed.clear()
        self._placed_in.clear()
        self.waiting_bytes = self.waiting_refs_bytes = 0
        for ref, since_ms in {**dict.fromkeys(again, now_ms), **waited}.items():
            self._wait(ref, since_ms)

    def _unordered(self, refs: Iterable[BatchRef]) -> list[BatchRef]:
        return [ref for ref in refs if ref in self._here and ref not in self._ordered]

    def order(self, refs: Refs, height: SequenceNumber) -> None:
        """They were executed at `height`. They stay here until that is certified."""
        self._stop_waiting(refs)
        self._ordered.update(dict.fromkeys(refs, height))
        self._ordered_in[height] = (*self._ordered_in.get(height, ()), *refs)

    def restore(self, refs: Refs, height: SequenceNumber, now_ms: int) -> None:
        """They are here and were executed at `height` before this replica started."""
        for ref in refs:
            self.add(ref, now_ms)
        self.order(refs, height)

    def trim(self, low: SequenceNumber, remembered: SequenceNumber, now_ms: int) -> None:
        """Heights up to `low` are certified: give up their batches and what expired unordered. What was
        ordered above `remembered` is still known as such."""
        for height in [height for height in self._ordered_in if height <= low]:
            for ref in self._ordered_in[height]:
                self._here.pop(ref, None)
                if height <= remembered and self._ordered.get(ref) == height:
                    del self._ordered[ref]
            if height <= remembered:
                del self._ordered_in[height]
        for sequence in [sequence for sequence in self._placed_in if sequence <= low]:
            refs = self._placed_in.pop(sequence)
            for ref in refs:
                self._placed.pop(ref, None)
            # Certified by others with other content, or as a null request.
            for ref in self._unordered(refs):
                self._wait(ref, now_ms)
        expired = [ref for ref in self._waiting if ref.expiry_height <= low]
        self._stop_waiting(expired)
        for ref in expired:
            del self._here[ref]

    def rearm(self, now_ms: int) -> None:
        """This process stood still: nobody else is to blame for that time."""
        for wait in self._waiting.values():
            wait.since_ms = now_ms
            wait.relayed_ms, wait.passed_over = None, False
