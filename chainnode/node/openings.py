"""The requester's side of standing consents: asks the trustees for their parts, and keeps what they give.

Every trustee that remains beside provider and requester is asked, so that one which is silent or lies holds
nothing up. What is still to be asked follows from the state and from what is here: a restart goes on with it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.stdlib import BoundLogger

from chainnode.ledger import view
from chainnode.ledger.records import BASIS_STANDING
from chainnode.net.wire import Frame, Opening, OpeningAnswer, OpeningRequest
from chainnode.node.clock import now
from chainnode.node.combining import FALSE, Combining
from chainnode.node.executor import Executor
from chainnode.node.freshness import Freshness
from chainnode.node.openingrows import KeptPart, OpeningRows
from chainnode.node.releases import Release, Released, Releases
from chainnode.node.stash import Stash
from chainnode.node.trusteeing import ANSWER_BYTES, NO_SHARE, UNKNOWN_RELEASE
from chainnode.node.trusteeship import Roster
from chainnode.node.wraps import ROLE_WRAP
from chainnode.vault.keys import KemKey
from chainnode.vault.openparts import MAX_SEALED_ANSWER_BYTES, dealing_digest
from consensus.types import Now

ASK_AGAIN_MS = 5_000
ASK_REST_MS = 60_000
"""Those who were silent, once enough have answered: one of these may have lied."""
ASK_SOON_MS = 1_000
"""One that has not the certificate of the release yet, or not its share."""
MAX_OBJECTS_AT_ONCE = 256

Offer = Callable[[int, Frame], bool]


@dataclass(slots=True)
class _Asked:
    """Of one request: when each trustee was asked last for each object, and what it declined by which rule.
    `due`: somebody is still to be asked."""

    due: bool = True
    at_ms: dict[int, dict[bytes, int]] = field(default_factory=dict)
    declined: dict[int, dict[bytes, str]] = field(default_factory=dict)


def _standing(release: Release) -> list[Released]:
    return [one for one in release.objects if one.basis == BASIS_STANDING]


class Openings:
    def __init__(
        self,
        *,
        member: int,
        frame_bytes: int,
        roster: Roster,
        releases: Releases,
        executor: Executor,
        freshness: Freshness,
        stash: Stash,
        rows: OpeningRows,
        combining: Combining,
        linked: Callable[[int], bool],
        offer: Offer,
        log: BoundLogger,
        clock: Callable[[], Now] = now,
    ) -> None:
        self._member = member
        self._at_once = min(MAX_OBJECTS_AT_ONCE, max(1, frame_bytes // 2 // ANSWER_BYTES))
        self._roster = roster
        self._releases = releases
        self._executor = executor
        self._freshness = freshness
        self._stash = stash
        self._rows = rows
        self._combining = combining
        self._linked = linked
        self._offer = offer
        self._log = log
        self._clock = clock
        self._asked: dict[bytes, _Asked] = {}
        self.wake = asyncio.Event()
        """Set where there may be something to ask."""

    def note(self, request_id: bytes) -> None:
        """A release to this member, or wraps for it: look whether trustees are to be asked."""
        if self._roster.threshold:
            self._asked.setdefault(request_id, _Asked()).due = True
            self.wake.set()

    async def work(self) -> None:
        """Ask whom was not asked lately, until every trustee that remains has answered for every object."""
        for request_id in [name for name, asked in self._asked.items() if asked.due]:
            asked, release = self._asked[request_id], self._releases.of_record(request_id)
            if release is None or release.request.expires_ms <= self._clock().wall_ms:
                asked.due = False
                continue
            wanted, complete = self._wanted(release)
            asked.due = bool(wanted) or not complete
            enough = complete and all(self.enough(request_id, one) for one in _standing(release))
            pause_ms = ASK_REST_MS if enough else ASK_AGAIN_MS
            wanted = {seat: self._not_lately(asked, seat, wraps, pause_ms) for seat, wraps in wanted.items()}
            if any(wanted.values()):
                # A trustee that does not vote cannot have a block made: it acts on this one.
                await self._freshness.ensure()
            for seat, wraps in wanted.items():
                self._ask(request_id, asked, seat, wraps)

    def _not_lately(self, asked: _Asked, seat: int, wraps: list[Opening], pause_ms: int) -> list[Opening]:
        """Those for which the trustee, if it can be reached, was not asked within the pause."""
        peer = self._roster.host(seat)
        if peer is None or not self._linked(peer):
            return []
        before_ms, last = self._clock().monotonic_ms - pause_ms, asked.at_ms.get(seat, {})
        return [wrap for wrap in wraps if last.get(wrap.object_id, before_ms) <= before_ms]

    def _ask(self, request_id: bytes, asked: _Asked, seat: int, wraps: list[Opening]) -> None:
        peer = self._roster.host(seat)
        if peer is None:
            return
        last = asked.at_ms.setdefault(seat, {})
        for start in range(0, len(wraps), self._at_once):
            some = tuple(wraps[start : start + self._at_once])
            if not self._offer(peer, OpeningRequest(request_id, seat, some)):
                return
            last.update({wrap.object_id: self._clock().monotonic_ms for wrap in some})

    def _wanted(self, release: Release) -> tuple[dict[int, list[Opening]], bool]:
        """By seat, the wraps that are here and for which it has not given its part; and whether the wraps of
        all objects that standing consents release are here."""
        found: dict[int, list[Opening]] = {}
        complete = True
        for one in _standing(release):
            wrap = self._stash.delivered(release.request_id, one.object_id, ROLE_WRAP)
            commitments = self._commitments(one)
            if wrap is None or commitments is None:
                complete = False
                continue
            dealing = dealing_digest(commitments)
            parts = self._rows.parts(release.request_id, one.object_id)
            given = {part.seat for part in parts if part.dealing == dealing}
            for seat in self._remaining(one):
                if seat not in given:
                    found.setdefault(seat, []).append(Opening(one.object_id, dealing, wrap))
        return found, complete

    def _remaining(self, one: Released) -> tuple[int, ...]:
        return self._roster.remaining(one.batch.member, self._member)

    def _commitments(self, one: Released) -> tuple[bytes, ...] | None:
        pointer = one.pointer
        dealt = view.dealt(self._executor.state, pointer.handle, pointer.data_class, pointer.epoch)
        return None if dealt is None else dealt.commitments

    async def answered(self, peer: int, frame: OpeningAnswer) -> None:
        """Keep what a seat's own node sends of objects for which it was asked."""
        release, asked = self._releases.of_record(frame.request_id), self._asked.get(frame.request_id)
        if release is None or asked is None or self._host_of(frame.seat) != peer:
            self._log.warning("an answer that was not asked for", peer=peer, request=frame.request_id.hex())
            return
        objects = {one.object_id: one for one in _standing(release)}
        kept: list[tuple[bytes, KeptPart]] = []
        for part in frame.parts:
            one = objects.get(part.object_id)
            if one is None or frame.seat not in self._remaining(one):
                continue
            commitments = self._commitments(one)
            fits = commitments is not None and dealing_digest(commitments) == part.dealing
            if commitments is None or not fits or len(part.data) > MAX_SEALED_ANSWER_BYTES:
                continue
            self._rows.keep_dealing(part.dealing, commitments)
            kept.append((part.object_id, KeptPart(part.dealing, frame.seat, part.data)))
        count = self._rows.keep(frame.request_id, kept)
        declined = asked.declined.setdefault(frame.seat, {})
        declined.update({one.object_id: one.rule for one in frame.declined if one.object_id in objects})
        for object_id, _ in kept:
            declined.pop(object_id, None)
        soon_ms = self._clock().monotonic_ms - ASK_AGAIN_MS + ASK_SOON_MS
        not_yet = [one.object_id for one in frame.declined if one.rule in (UNKNOWN_RELEASE, NO_SHARE)]
        asked.at_ms.setdefault(frame.seat, {}).update(dict.fromkeys(not_yet, soon_ms))
        self._log.info(
            "trustee's parts received",
            request=frame.request_id.hex(),
            trustee=self._roster.id_of(frame.seat),
            parts=count,
            declined=",".join(sorted(set(declined.values()))),
        )

    def _host_of(self, seat: int) -> int | None:
        return self._roster.host(seat) if seat <= len(self._roster) else None

    def _usable(self, request_id: bytes, one: Released) -> list[KeptPart]:
        remaining = self._remaining(one)
        return [part for part in self._rows.parts(request_id, one.object_id) if part.seat in remaining]

    def enough(self, request_id: bytes, one: Released) -> bool:
        """Whether as many trustees as must act together have answered for an object, in one dealing."""
        counted = Counter(part.dealing for part in self._usable(request_id, one))
        return max(counted.values(), default=0) >= max(1, self._roster.threshold)

    def patient_half(self, request_id: bytes, one: Released, project: KemKey) -> bytes:
        """The patient's half (64 bytes) of an object whose wrap is here. Raises SealingError (see
        Combining)."""
        wrap = self._stash.delivered(request_id, one.object_id, ROLE_WRAP)
        assert wrap is not None, "asked for where the wrap is here"
        usable = self._usable(request_id, one)
        return self._combining.patient_half(request_id, one, wrap, usable, project)

    def report(self, request_id: bytes) -> tuple[str, ...]:
        """In words, whom a release under standing consents waits for, and whose parts are false; empty where
        no object is released by one."""
        release = self._releases.of_record(request_id)
        objects = _standing(release) if release is not None else []
        if not objects:
            return ()
        false, asked = self._combining.false_parts(request_id), self._asked.get(request_id, _Asked())
        declined = {object_id for names in asked.declined.values() for object_id in names}
        dealt = [
            one
            for one in objects
            if one.object_id in declined
            or self._commitments(one)
            or self._rows.parts(request_id, one.object_id)
        ]
        seats = sorted({seat for one in dealt for seat in self._remaining(one)})
        lines: list[str] = []
        whole = 0
        for seat in seats:
            said = self._of_seat(request_id, seat, dealt, false.get(seat, ""), asked.declined.get(seat, {}))
            whole += not said
            lines += [said] if said else []
        undealt = len(objects) - len(dealt)
        if undealt:
            lines.append(f"{undealt} of {len(objects)} objects: their class key is not dealt to trustees now")
        head = f"{whole} of {len(seats)} trustees have answered, {self._roster.threshold} must open together"
        return (head, *lines)

    def _of_seat(
        self, request_id: bytes, seat: int, objects: list[Released], false: str, declined: dict[bytes, str]
    ) -> str:
        """What is wrong with a trustee's answers, empty where it has given all."""
        name = self._roster.id_of(seat)
        if false:
            return f"{name} {FALSE[false]}"
        own = [one for one in objects if seat in self._remaining(one)]
        given = sum(
            any(part.seat == seat for part in self._rows.parts(request_id, one.object_id)) for one in own
        )
        if given == len(own):
            return ""
        if declined:
            rules = ", ".join(
                f"{rule} ({count})" for rule, count in sorted(Counter(declined.values()).items())
            )
            return f"{name} has opened {given} of {len(own)} and declines: {rules}"
        if self._roster.host(seat) is None:
            return f"{name} is silent: its operator has no node in this network"
        return f"{name} is silent: {given} of {len(own)} opened"
