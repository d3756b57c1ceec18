"""What the certified state says about releases, read the same way by provider and requester.

Every holder decides for itself: a part leaves only if the decision of record authorises the object and
the same evaluation on this node's own newest state and clock still does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from chainnode.ledger import view
from chainnode.ledger.decision import decide
from chainnode.ledger.evaluate import version_at
from chainnode.ledger.payloads import ObjectPointer
from chainnode.ledger.records import (
    OUTCOME_AUTHORISED,
    BatchRecord,
    ObjectVerdict,
    ReleaseRecord,
    RequestRecord,
    Source,
)
from chainnode.ledger.rows import RowLookup
from chainnode.ledger.view import Reader


@dataclass(frozen=True, slots=True)
class Released:
    """An authorised object with what it takes to serve or to check it. `basis`: of the decision of record;
    `basis_now`: of the evaluation just made, empty where none was."""

    object_id: bytes
    pointer: ObjectPointer
    batch: BatchRecord
    basis: str
    basis_now: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """An authorised decision: `objects` are those it authorises, all providers together; `lapsed`: those that
    it authorises and a fresh evaluation does not, each with its rule."""

    request_id: bytes
    request: RequestRecord
    record: ReleaseRecord
    objects: tuple[Released, ...]
    lapsed: Mapping[bytes, str] = field(default_factory=dict)

    def of(self, member: int) -> tuple[Released, ...]:
        """The objects that `member` provides."""
        return tuple(one for one in self.objects if one.batch.member == member)


class Releases:
    """Reads releases from the state; `now_ms` is the wall clock, for expiry."""

    def __init__(self, reader: Reader, rows: RowLookup, now_ms: Callable[[], int]) -> None:
        self._reader = reader
        self._rows = rows
        self._now_ms = now_ms

    def pointer(self, object_id: bytes) -> tuple[ObjectPointer, BatchRecord] | None:
        """An anchored object and its batch."""
        found = view.object_index(self._reader, object_id)
        if found is None:
            return None
        batch = view.batch(self._reader, found.batch_root)
        assert batch is not None, "an indexed object has its batch"
        return view.pointer(found), batch

    def of_record(self, request_id: bytes) -> Release | None:
        """The latest decision, if it is AUTHORISED."""
        request = view.request(self._reader, request_id)
        record = view.release(self._reader, request_id)
        if request is None or record is None or record.outcome != OUTCOME_AUTHORISED:
            return None
        return Release(request_id, request, record, self._released(record.verdicts))

    def still_standing(self, request_id: bytes, tip_height: int, tip_time_ms: int) -> Release | None:
        """The decision of record, less what a fresh evaluation by today's rules no longer authorises."""
        release = self.of_record(request_id)
        if release is None:
            return None
        now = decide(
            self._reader,
            self._rows,
            request_id=request_id,
            request=release.request,
            previous=release.record,
            requested=Source(release.record.requested.transaction_id, release.record.height),
            time_ms=max(tip_time_ms, self._now_ms()),
            version=version_at(self._reader, tip_height),
        )
        verdicts = {verdict.object_id: verdict for verdict in now.verdicts}
        kept, lapsed = [], {}
        for one in release.objects:
            verdict = verdicts[one.object_id]
            if view.object_gone(self._reader, one.pointer):
                lapsed[one.object_id] = "object-erased"
            elif verdict.rule:
                lapsed[one.object_id] = verdict.rule
            else:
                kept.append(replace(one, basis_now=verdict.basis))
        return Release(request_id, release.request, release.record, tuple(kept), lapsed)

    def _released(self, verdicts: tuple[ObjectVerdict, ...]) -> tuple[Released, ...]:
        found = []
        for verdict in verdicts:
            if not verdict.rule:
                anchored = self.pointer(verdict.object_id)
                assert anchored is not None, "a request names anchored objects"
                found.append(Released(verdict.object_id, anchored[0], anchored[1], verdict.basis))
        return tuple(found)
