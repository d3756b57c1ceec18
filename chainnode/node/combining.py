"""The trustees' parts put together with the project's key: true ones give the patient's half, false ones a
name.

A trustee signs its part inside the seal. One whose signature is good and whose proof fails convicts it: the
Lie that is kept shows so to anybody, without any secret. One that does not open, or is not signed, only the
requester can tell of."""

from msgspec import Struct
from structlog.stdlib import BoundLogger

from chainnode.node.openingrows import KeptPart, OpeningRows
from chainnode.node.releases import Released
from chainnode.node.trusteeship import Roster
from chainnode.node.wraps import label_of
from chainnode.vault import feldman, tdh2
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey
from chainnode.vault.openparts import Answer, Place, dealing_digest, is_signed, is_true, open_answer
from chainnode.vault.tdh2 import Ciphertext
from consensus.codec import encode

FALSE_PART = "false-part"
UNSIGNED_PART = "unsigned-part"

FALSE: dict[str, str] = {
    FALSE_PART: "gave a part whose proof fails, under its signature",
    UNSIGNED_PART: "gave a part that does not open or that it did not sign",
}
"""What is told of a trustee whose part is of no use."""


class Lie(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A trustee's signed part and what it is about. `label` follows from the object, `commitments` stand on
    the chain, at the height of the release."""

    chain_id: bytes
    request_id: bytes
    object_id: bytes
    seat: int
    wrap: bytes
    label: bytes
    commitments: tuple[bytes, ...]
    answer: Answer


def is_lie(lie: Lie, trustee_key: bytes) -> bool:
    """Whether it convicts the holder of `trustee_key`: anybody can look, nothing secret is needed."""
    place = Place(lie.chain_id, lie.request_id, lie.object_id, lie.seat, dealing_digest(lie.commitments))
    try:
        ciphertext = tdh2.decode_ciphertext(lie.wrap)
    except SealingError:
        return False
    # Of a ciphertext that is not one nobody gives a part: an answer to it is a lie of the asker's making.
    if not tdh2.check(ciphertext, lie.label) or not is_signed(place, lie.wrap, lie.answer, trustee_key):
        return False
    point = feldman.share_point(lie.commitments, lie.seat)
    return point is not None and not is_true(place, ciphertext, lie.answer, point)


class Combining:
    def __init__(self, *, chain_id: bytes, roster: Roster, rows: OpeningRows, log: BoundLogger) -> None:
        self._chain_id = chain_id
        self._roster = roster
        self._rows = rows
        self._log = log
        self._false: dict[bytes, dict[int, str]] = {}

    def false_parts(self, request_id: bytes) -> dict[int, str]:
        """The seats whose parts were of no use, each with the reason (see FALSE)."""
        found = dict(self._false.get(request_id, {}))
        for seat in range(1, len(self._roster) + 1):
            if self._rows.lie(request_id, seat) is not None:
                found[seat] = FALSE_PART
        return found

    def patient_half(
        self, request_id: bytes, one: Released, wrap: bytes, parts: list[KeptPart], project: KemKey
    ) -> bytes:
        """The patient's half (64 bytes) out of the wrap and parts of seats that remain; its commitment is not
        looked at here.

        Raises SealingError: `partials-too-few`, or what tdh2 says of the wrap.
        """
        ciphertext, label = tdh2.decode_ciphertext(wrap), label_of(self._chain_id, one)
        if not tdh2.check(ciphertext, label):
            raise SealingError("ciphertext-invalid", "the provider's wrap has no proof for this object")
        threshold = self._roster.threshold
        for dealing in dict.fromkeys(part.dealing for part in parts):
            points: dict[int, bytes] = {}
            good: list[tdh2.Partial] = []
            for part in parts:
                point = feldman.share_point(self._rows.dealing(dealing), part.seat)
                if part.dealing != dealing or point is None or len(good) == threshold:
                    continue
                place = Place(self._chain_id, request_id, one.object_id, part.seat, dealing)
                answer = self._answer(place, part, wrap, ciphertext, label, project)
                if answer is not None:
                    points[part.seat] = point
                    good.append(answer.partial)
            if len(good) == threshold:
                return tdh2.combine(ciphertext, label, good, points, threshold)
        raise SealingError("partials-too-few", f"{threshold} trustees must open together")

    def _answer(
        self, place: Place, part: KeptPart, wrap: bytes, ciphertext: Ciphertext, label: bytes, project: KemKey
    ) -> Answer | None:
        """What a seat gave, if it is true; else its trustee is named, and what convicts it kept."""
        try:
            answer = open_answer(place, part.sealed, project)
        except SealingError:
            self._name(place, UNSIGNED_PART)
            return None
        commitments = self._rows.dealing(part.dealing)
        point = feldman.share_point(commitments, place.seat)
        assert point is not None, "looked at before"
        if not is_signed(place, wrap, answer, self._roster.key_of(place.seat)):
            self._name(place, UNSIGNED_PART)
        elif not is_true(place, ciphertext, answer, point):
            named = (place.chain_id, place.request_id, place.object_id, place.seat)
            lie = Lie(*named, wrap, label, commitments, answer)
            self._rows.keep_lie(place.request_id, place.seat, encode(lie))
            self._name(place, FALSE_PART)
        else:
            return answer
        return None

    def _name(self, place: Place, why: str) -> None:
        known = self._false.setdefault(place.request_id, {})
        if known.get(place.seat) != why:
            known[place.seat] = why
            trustee = self._roster.id_of(place.seat)
            self._log.error(
                "a trustee's part is false", trustee=trustee, request=place.request_id.hex(), why=why
            )
