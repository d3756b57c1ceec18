"""Class keys dealt to the trustees, and renewed: the key operation behind a standing consent.

A consent says who may; a dealing lets t trustees open what the patient's key opens. It is no part of a
decision: without it a release is authorised and cannot be opened. A revocation ends dealings, which tells the
trustees to erase their shares; the class key of the next epoch keeps what is taken in later from whoever did
not. The patient's own hospital provides all that these keys open: a trustee that it runs is dealt nothing.
Shares go from node to node, sealed: here are the commitments, and what each trustee answered.
"""

from msgspec import structs

from chainnode.ledger import keys, view
from chainnode.ledger.enrolment import require_enrolment
from chainnode.ledger.payloads import (
    COMPLAINS,
    ERASED,
    HOLDS,
    MAX_DEALT_KEYS,
    AnswerDealing,
    ClassKey,
    DealClassKeys,
    DealtKey,
    ObjectPointer,
    RenewClassKey,
)
from chainnode.ledger.records import (
    DealingsRecord,
    DealtRecord,
    EnrolmentRecord,
    RenewedKey,
    RenewedKeysRecord,
)
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import P, Transition
from chainnode.ledger.view import Reader


def class_keys(reader: Reader, handle: bytes, enrolment: EnrolmentRecord) -> tuple[ClassKey, ...]:
    """All class keys of a patient: the enrolment's, then those that renewed them."""
    renewed = view.renewed(reader, handle)
    return (*enrolment.class_keys, *(one.key for one in (renewed.keys if renewed else ())))


def newest(known: tuple[ClassKey, ...], data_class: str) -> ClassKey | None:
    """The class key of the highest epoch, None where the patient has none for this class."""
    of_class = [key for key in known if key.data_class == data_class]
    return max(of_class, key=lambda key: key.epoch, default=None)


def _dealt(reader: Reader, handle: bytes) -> dict[tuple[str, int], DealtRecord]:
    """By data class and epoch, ended dealings included."""
    held = view.dealings(reader, handle)
    return {(one.data_class, one.epoch): one for one in (held.dealt if held else ())}


def require_open_epoch(reader: Reader, pointer: ObjectPointer, enrolment: EnrolmentRecord) -> None:
    """Raises RefusedError: unknown-class-key, old-epoch, epoch-closed."""
    known = class_keys(reader, pointer.handle, enrolment)
    latest = newest(known, pointer.data_class)
    wanted = f"{pointer.data_class}, epoch {pointer.epoch}"
    has_key = any((key.data_class, key.epoch) == (pointer.data_class, pointer.epoch) for key in known)
    if latest is None or not has_key:
        raise RefusedError("unknown-class-key", wanted)
    # An enrolment may bring several epochs of a class, and any of them is taken until one is renewed.
    if latest in known[len(enrolment.class_keys) :] and latest.epoch != pointer.epoch:
        raise RefusedError("old-epoch", f"{wanted}: the newest is {latest.epoch}")
    dealt = _dealt(reader, pointer.handle).get((pointer.data_class, pointer.epoch))
    if dealt is not None and dealt.ended.height:
        raise RefusedError("epoch-closed", wanted)


def renew(call: Transition[RenewClassKey]) -> None:
    payload = call.payload
    enrolment = require_enrolment(call, payload.handle)
    call.require_signer(enrolment.patient_key, "the patient")
    known = class_keys(call.state, payload.handle, enrolment)
    latest = newest(known, payload.key.data_class)
    if latest is None:
        raise RefusedError("unknown-class-key", payload.key.data_class)
    if payload.key.epoch != latest.epoch + 1:
        raise RefusedError("epoch-not-next", f"{payload.key.data_class} stands at epoch {latest.epoch}")
    if any(key.point == payload.key.point for key in known):
        raise RefusedError("key-in-use", "the point is a class key of the patient already")
    if len(known) >= MAX_DEALT_KEYS:
        raise RefusedError("too-many-epochs", f"{MAX_DEALT_KEYS} class keys are known")
    held = view.renewed(call.state, payload.handle)
    record = RenewedKeysRecord((*(held.keys if held else ()), RenewedKey(payload.key, call.source)))
    call.put(keys.renewed(payload.handle), record)
    call.emit(
        "class-key-renewed",
        payload.handle,
        data_class=payload.key.data_class,
        epoch=str(payload.key.epoch),
    )


def deal(call: Transition[DealClassKeys]) -> None:
    payload, context = call.payload, call.context
    enrolment = require_enrolment(call, payload.handle)
    call.require_signer(enrolment.patient_key, "the patient")
    if not enrolment.active:
        raise RefusedError("enrolment-not-active", f"handle {payload.handle.hex()}")
    if not context.trustees:
        raise RefusedError("no-trustees")
    points = {
        (key.data_class, key.epoch): key.point for key in class_keys(call.state, payload.handle, enrolment)
    }
    dealt = _dealt(call.state, payload.handle)
    if any(one.shares_digest == payload.shares_digest for one in dealt.values()):
        raise RefusedError("already-done", "these shares were dealt")
    for key in payload.keys:
        _check_commitments(key, points, context.trustee_threshold)
        record = DealtRecord(key.data_class, key.epoch, key.commitments, payload.shares_digest, call.source)
        dealt[key.data_class, key.epoch] = record
    assert len(dealt) <= MAX_DEALT_KEYS, "there are no more class keys than that"
    _put(call, payload.handle, dealt)
    call.emit("dealt", payload.handle, payload.shares_digest, keys=str(len(payload.keys)))


def _check_commitments(key: DealtKey, points: dict[tuple[str, int], bytes], threshold: int) -> None:
    what = f"{key.data_class}, epoch {key.epoch}"
    point = points.get((key.data_class, key.epoch))
    if point is None:
        raise RefusedError("unknown-class-key", what)
    if len(key.commitments) != threshold:
        raise RefusedError("wrong-threshold", f"{what}: {len(key.commitments)} commitments, not {threshold}")
    if key.commitments[0] != point:
        raise RefusedError("not-of-class-key", what)


def _put(call: Transition[P], handle: bytes, dealt: dict[tuple[str, int], DealtRecord]) -> None:
    ordered = tuple(dealt[name] for name in sorted(dealt))
    call.put(keys.dealings(handle), DealingsRecord(ordered))


def answer(call: Transition[AnswerDealing]) -> None:
    payload, trustees = call.payload, call.context.trustees
    if not 1 <= payload.trustee <= len(trustees):
        raise RefusedError("unknown-trustee", f"place {payload.trustee} of {len(trustees)}")
    trustee = trustees[payload.trustee - 1]
    if call.signer != trustee.key:
        raise RefusedError("not-permitted", "only the trustee itself answers")
    # A handle that is erased too: its trustees say that their shares are gone.
    enrolment = view.patient(call.state, payload.handle)
    if enrolment is None:
        raise RefusedError("unknown-patient", f"handle {payload.handle.hex()}")
    provider = view.member(call.state, enrolment.member)
    if provider is not None and provider.id == trustee.operator:
        raise RefusedError("trustee-not-independent", f"{trustee.id} is run by {provider.id}")
    dealt = _dealt(call.state, payload.handle)
    named = {name: one for name, one in dealt.items() if one.shares_digest == payload.shares_digest}
    if not named:
        raise RefusedError("unknown-dealing", f"handle {payload.handle.hex()}")
    changed = {name: _answered(one, payload) for name, one in named.items()}
    if changed == named:
        raise RefusedError(_why_nothing(tuple(named.values()), payload), f"trustee {payload.trustee}")
    _put(call, payload.handle, dealt | changed)
    call.emit(
        "dealing-answered",
        payload.handle,
        payload.shares_digest,
        trustee=str(payload.trustee),
        answer=payload.answer,
    )


def _answered(one: DealtRecord, payload: AnswerDealing) -> DealtRecord:
    """A trustee holds or complains once, of what stands; it erased once, of what ended."""
    trustee, ended = payload.trustee, one.ended.height > 0
    if payload.answer == ERASED:
        if not ended or trustee in one.erased:
            return one
        return structs.replace(one, erased=_with(one.erased, trustee))
    if ended or trustee in (*one.holds, *one.complains):
        return one
    if payload.answer == HOLDS:
        return structs.replace(one, holds=_with(one.holds, trustee))
    assert payload.answer == COMPLAINS, "the form was checked"
    return structs.replace(one, complains=_with(one.complains, trustee))


def _with(places: tuple[int, ...], trustee: int) -> tuple[int, ...]:
    return tuple(sorted((*places, trustee)))


def _why_nothing(named: tuple[DealtRecord, ...], payload: AnswerDealing) -> str:
    ended = all(one.ended.height for one in named)
    if payload.answer == ERASED:
        standing = not any(one.ended.height for one in named)
        return "dealing-stands" if standing else "already-done"
    return "dealing-ended" if ended else "already-done"


def end_dealings(call: Transition[P], handle: bytes, data_class: str = "") -> None:
    """End what was dealt of one class, or of all; the trustees erase their shares of it."""
    dealt = _dealt(call.state, handle)
    ended = {
        name: structs.replace(one, ended=call.source)
        for name, one in dealt.items()
        if not one.ended.height and data_class in ("", one.data_class)
    }
    if ended:
        _put(call, handle, dealt | ended)
        call.emit("dealing-ended", handle, keys=str(len(ended)))
