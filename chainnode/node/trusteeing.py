"""A trustee's side of a release under standing consents: it is asked for its parts, and looks for itself.

Nobody's word counts: not the requester's who asks, nor the provider's whose wrap it is. The decision of
record is certified, a fresh evaluation on this node's newest state and clock still rests on a standing
consent, what shows that is young enough, the class key is dealt and was not taken back. The wrap itself may
come from anywhere: TDH2's proof ties it to the object and its policy."""

import asyncio
from collections.abc import Awaitable, Callable

from structlog.stdlib import BoundLogger

from chainnode.ledger import view
from chainnode.ledger.records import DealtRecord
from chainnode.net.wire import Declined, Frame, Opening, OpeningAnswer, OpeningRequest
from chainnode.node.executor import Executor
from chainnode.node.freshness import Freshness
from chainnode.node.releases import Release, Released, Releases
from chainnode.node.trusteeship import Roster, Trusteeship
from chainnode.node.wraps import is_standing, label_of
from chainnode.vault.errors import SealingError
from chainnode.vault.openparts import Place, dealing_digest, seal_answer
from genesis.errors import OperatorError

UNKNOWN_RELEASE = "unknown-release"
NOT_REQUESTER = "not-the-requester"
NOT_AUTHORISED = "not-authorised"
NOT_STANDING = "not-standing"
TOO_OLD = "certificate-too-old"
EXCLUDED = "trustee-excluded"
OUT_OF_BOUNDS = "trustee-bounds"
NOT_DEALT = "key-not-dealt"
OTHER_DEALING = "other-dealing"
NO_SHARE = "no-share"

DECLINED: dict[str, str] = {
    UNKNOWN_RELEASE: "no certified decision of this trustee's node authorises it",
    NOT_REQUESTER: "another hospital applied for it",
    NOT_AUTHORISED: "the decision does not authorise this object",
    NOT_STANDING: "the patient signed for it live, or no standing consent covers it now",
    TOO_OLD: "the trustee's newest certificate is older than it acts on",
    EXCLUDED: "the trustee's hospital provides or requests it",
    OUT_OF_BOUNDS: "too few trustees remain beside provider and requester",
    NOT_DEALT: "the patient's class key is not dealt to the trustees, or its dealing was ended",
    OTHER_DEALING: "the class key was dealt anew meanwhile",
    NO_SHARE: "the trustee holds no share of this class key",
}
"""Why a trustee does not open an object, beside the rules of the evaluator and of sealed things."""

Send = Callable[[int, Frame], Awaitable[bool]]
ANSWER_BYTES = 2_048
"""Of one object in a frame, at most."""


def _named(release: Release, object_id: bytes) -> Released | None:
    return next((one for one in release.objects if one.object_id == object_id), None)


class Trusteeing:
    def __init__(
        self,
        *,
        chain_id: bytes,
        frame_bytes: int,
        roster: Roster,
        trusteeship: Trusteeship,
        releases: Releases,
        executor: Executor,
        freshness: Freshness,
        send: Send,
        log: BoundLogger,
    ) -> None:
        self._chain_id = chain_id
        self._at_once = max(1, frame_bytes // 2 // ANSWER_BYTES)
        self._roster = roster
        self._trusteeship = trusteeship
        self._releases = releases
        self._executor = executor
        self._freshness = freshness
        self._send = send
        self._log = log

    async def asked(self, peer: int, frame: OpeningRequest) -> None:
        """Answer with parts, and with the rule for what is declined."""
        if frame.seat != self._trusteeship.seat:
            self._log.warning("asked for another trustee's parts", peer=peer, seat=frame.seat)
            return
        release, rule = self._look(peer, frame.request_id)
        if release is not None and not self._freshness.is_fresh():
            # A barrier for those alone who have a release.
            fresh = await self._freshness.ensure()
            release, rule = self._look(peer, frame.request_id) if fresh else (None, TOO_OLD)
        seen = self._executor.tip.height
        parts: list[Opening] = []
        declined: list[Declined] = []
        for wrap in frame.wraps:
            outcome = Declined(wrap.object_id, rule) if release is None else await self._open(release, wrap)
            if isinstance(outcome, Declined):
                declined.append(outcome)
            else:
                parts.append(outcome)
        if parts and self._executor.tip.height != seen:
            # Blocks came while parts were made: one may hold a revocation.
            release, rule = self._look(peer, frame.request_id)
            lapsed = {one.object_id: self._lapsed(release, one, rule) for one in parts}
            declined += [Declined(name, why) for name, why in lapsed.items() if why]
            parts = [one for one in parts if not lapsed[one.object_id]]
        self._log.info(
            "trustee answered",
            request=frame.request_id.hex(),
            to=peer,
            opened=len(parts),
            declined=len(declined),
            rules=",".join(sorted({one.rule for one in declined})),
        )
        for start in range(0, len(parts), self._at_once):
            some = tuple(parts[start : start + self._at_once])
            await self._send(peer, OpeningAnswer(frame.request_id, frame.seat, some, ()))
        if declined:
            await self._send(peer, OpeningAnswer(frame.request_id, frame.seat, (), tuple(declined)))

    def _lapsed(self, release: Release | None, part: Opening, rule: str) -> str:
        """Why what was opened is not sent after all, empty where it is."""
        if release is None:
            return rule
        one = _named(release, part.object_id)
        if one is None or not is_standing(one):
            return release.lapsed.get(part.object_id, NOT_STANDING)
        dealt = self._dealt(one)
        return "" if dealt is not None and dealing_digest(dealt.commitments) == part.dealing else NOT_DEALT

    def _dealt(self, one: Released) -> DealtRecord | None:
        pointer = one.pointer
        return view.dealt(self._executor.state, pointer.handle, pointer.data_class, pointer.epoch)

    def _look(self, peer: int, request_id: bytes) -> tuple[Release | None, str]:
        """The release as this node sees it now, or the rule by which there is none for this peer."""
        state = self._executor.state
        request, record = view.request(state, request_id), view.release(state, request_id)
        if request is not None and request.member != peer:
            return None, NOT_REQUESTER
        if request is None or record is None or record.height > self._executor.certified_header.height:
            return None, UNKNOWN_RELEASE
        tip = self._executor.tip
        release = self._releases.still_standing(request_id, tip.height, tip.time_ms)
        return release, "" if release is not None else UNKNOWN_RELEASE

    async def _open(self, release: Release, wrap: Opening) -> Opening | Declined:
        one = _named(release, wrap.object_id)
        if one is None:
            return Declined(wrap.object_id, release.lapsed.get(wrap.object_id, NOT_AUTHORISED))
        if not is_standing(one):
            return Declined(wrap.object_id, NOT_STANDING)
        remaining = self._roster.remaining(one.batch.member, release.request.member)
        if self._trusteeship.seat not in remaining:
            return Declined(wrap.object_id, EXCLUDED)
        if not self._roster.bounds_hold(len(remaining)):
            return Declined(wrap.object_id, OUT_OF_BOUNDS)
        pointer, dealt = one.pointer, self._dealt(one)
        if dealt is None:
            return Declined(wrap.object_id, NOT_DEALT)
        dealing = dealing_digest(dealt.commitments)
        if dealing != wrap.dealing:
            return Declined(wrap.object_id, OTHER_DEALING)
        try:
            held = self._trusteeship.share(pointer.handle, pointer.data_class, pointer.epoch)
        except OperatorError as error:
            self._log.error("a share cannot be read", handle=pointer.handle.hex(), reason=str(error))
            held = None
        if held is None:
            return Declined(wrap.object_id, NO_SHARE)
        return await self._sealed(release, one, wrap, dealing, held[0])

    async def _sealed(
        self, release: Release, one: Released, wrap: Opening, dealing: bytes, share: bytes
    ) -> Opening | Declined:
        place = Place(self._chain_id, release.request_id, one.object_id, self._trusteeship.seat, dealing)
        try:
            sealed = await asyncio.to_thread(
                seal_answer,
                place,
                share=share,
                wrap=wrap.data,
                label=label_of(self._chain_id, one),
                sign=self._trusteeship.keys.signing.sign,
                project_sealing_key=release.request.project_sealing_key,
            )
        except SealingError as error:
            return Declined(one.object_id, error.rule)
        return Opening(one.object_id, dealing, sealed)
