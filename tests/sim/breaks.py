"""Planted bugs, each in a place of its own: a simulator that lets one through proves nothing.

Each replaces something by what a hurried hand might have written, for the length of a `with`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from msgspec import structs

from chainnode.ledger import header
from chainnode.node import certified
from chainnode.node.engine import Engine
from chainnode.node.turn import Turn
from consensus import forms, messages, normal, replica, restore, viewchange
from consensus.checkpoint import Certifier
from consensus.codec import encode
from consensus.messages import (
    BlockVote,
    Commit,
    NewView,
    Prepare,
    PreparedCertificate,
    PrePrepare,
    ViewChange,
    Vote,
)
from consensus.normal import Ordering
from consensus.output import Output
from consensus.parameters import Parameters
from consensus.parts import Parts
from consensus.ready import Decided, Record
from consensus.rules import Watermarks, new_view_proposals
from consensus.slots import Slot
from consensus.steps import Steps
from consensus.suspicion import Timers
from consensus.types import BlockHeader, Digest, Now, ReplicaId, ReplicaSet, ReplicaSets
from consensus.viewchange import ViewChanger
from tests.store.disk import FakeDisk


@dataclass(frozen=True)
class Break:
    """`says`: what is wrong with it. `patches`: owner, name, and what takes its place."""

    says: str
    patches: tuple[tuple[Any, str, Any], ...]


def _prepared_at_once(
    proposal: PrePrepare, slot: Digest, prepares: Mapping[ReplicaId, Prepare], members: ReplicaSet
) -> PreparedCertificate:
    votes = (Vote(one, prepares[one].signature) for one in members.ids if one in prepares)
    return PreparedCertificate(proposal, tuple(votes))


def _append_only(engine: Engine, turn: Turn) -> None:
    if turn.records:
        engine._log.append([encode(record) for record in turn.records])


def _forget_slot(parts: Parts, record: Record, marks: object) -> None:
    return None


def _take_the_last(ordering: Ordering, proposal: PrePrepare, now: Now, out: Output) -> None:
    slot = ordering.slot(proposal.sequence)
    own = ordering._setting.replica_id
    if slot.pre_prepare is not None and slot.digest != proposal.digest(ordering._setting.chain_id):
        slot.pre_prepare = None
        slot.prepares.pop(own, None)
    _on_pre_prepare(ordering, proposal, now, out)


_on_pre_prepare = Ordering.on_pre_prepare


def _hand_out_what_is_there(ordering: Ordering, out: Output) -> None:
    for slot in ordering.ascending():
        decided = slot.decided
        if decided is not None and slot.sequence > ordering.handed:
            out.decided.append(
                Decided(slot.sequence, decided.epoch, decided.view, decided.time_ms, decided.refs)
            )
            ordering.handed = slot.sequence


def _no_null_requests(
    epoch: int, view: int, primary: int, changes: Sequence[ViewChange]
) -> tuple[PrePrepare, ...]:
    return tuple(one for one in new_view_proposals(epoch, view, primary, changes) if one.refs)


def _lowest_view_wins(
    epoch: int, view: int, primary: int, changes: Sequence[ViewChange]
) -> tuple[PrePrepare, ...]:
    chosen: dict[int, PrePrepare] = {}
    for one in (prepared.pre_prepare for change in changes for prepared in change.prepared):
        if one.sequence not in chosen or one.view < chosen[one.sequence].view:
            chosen[one.sequence] = one
    return tuple(
        structs.replace(one, time_ms=chosen[one.sequence].time_ms, refs=chosen[one.sequence].refs)
        if one.sequence in chosen
        else one
        for one in new_view_proposals(epoch, view, primary, changes)
    )


def _advance_any(ordering: Ordering, slot: Slot, out: Output) -> None:
    slot.missing.clear()
    _advance(ordering, slot, out)


_advance = Ordering.advance


def _without_votes(parts: Parts) -> tuple[Record, ...]:
    kept = restore.retained(parts)
    return tuple(one for one in kept if not isinstance(one, Prepare | Commit | BlockVote))


def _own_clock() -> Callable[[BlockHeader, int], int]:
    ticks = count()
    return lambda parent, proposed_ms: max(parent.time_ms + 1, proposed_ms) + next(ticks) % 2


def _without_view(
    kind: str, chain_id: bytes, epoch: int, view: int, sequence: int, slot: Digest, replica: int
) -> bytes:
    return _slot_vote_bytes(kind, chain_id, epoch, 0, sequence, slot, replica)


_slot_vote_bytes = messages._slot_vote_bytes


def _leave_everything(slot: Slot) -> None:
    _leave_view(slot)
    slot.prepared = None


_leave_view = Slot.leave_view


def _folder_is_not_synced(disk: FakeDisk, folder: Path) -> None:
    """Names become durable when nobody cares: with the first file, for without that there is no log."""
    if not disk.durable_names:
        disk.durable_names = dict(disk.names)


def _enter_unlogged(changer: ViewChanger, message: NewView, out: Output) -> None:
    _enter(changer, message, out)
    if message.replica != changer._setting.replica_id:
        out.persist.remove(message)


_enter = ViewChanger.enter


def _without_new_view(parts: Parts) -> tuple[Record, ...]:
    own = parts.setting.replica_id
    kept = restore.retained(parts)
    return tuple(one for one in kept if not isinstance(one, NewView) or one.replica == own)


def _beyond_the_turn(low: int, parameters: Parameters, replica_sets: ReplicaSets) -> Watermarks:
    marks = _above(low, parameters, replica_sets)
    return replace(marks, high=min(low + parameters.window, marks.reach))


_above = Watermarks.above


def _quorum_minus_one(members: ReplicaSet) -> int:
    return max(1, (members.n + members.f + 2) // 2 - 1)


def _both(name: str, function: Any) -> tuple[tuple[Any, str, Any], ...]:
    """The primary's and the backups' use of a rule."""
    return (viewchange, name, function), (forms, name, function)


_ANY_TURN = ((Watermarks, "is_of_turn", lambda marks, sequence, view: True),)

BREAKS: dict[str, Break] = {
    "commit-before-prepared": Break(
        "a slot counts as prepared when its proposal is here",
        ((normal, "prepared_certificate", _prepared_at_once),),
    ),
    "quorum-minus-one": Break(
        "one vote less is enough everywhere", ((ReplicaSet, "quorum", property(_quorum_minus_one)),)
    ),
    "send-before-persist": Break(
        "votes leave while the disk has not synced them", ((Engine, "persist", _append_only),)
    ),
    "forget-vote-on-restart": Break(
        "a restarted replica reads no slot from its log, nor asks peers what it said",
        ((restore, "_replay_slot", _forget_slot), (Steps, "guard", lambda steps, message, out: None)),
    ),
    "accept-conflicting-preprepare": Break(
        "the second proposal for a slot takes the place of the first",
        ((Ordering, "on_pre_prepare", _take_the_last),),
    ),
    "skip-view-change-certificates": Break(
        "VIEW-CHANGE shows nothing of what is prepared",
        ((Ordering, "prepared_certificates", lambda ordering: ()),),
    ),
    "execute-out-of-order": Break(
        "what is decided is executed, whatever is in front of it",
        ((Ordering, "hand_out", _hand_out_what_is_there),),
    ),
    "wrong-null-request": Break(
        "NEW-VIEW leaves slots empty where nothing was prepared",
        _both("new_view_proposals", _no_null_requests),
    ),
    "lowest-view-wins": Break(
        "NEW-VIEW takes up what was prepared first, not last",
        _both("new_view_proposals", _lowest_view_wins),
    ),
    "vote-without-batch": Break(
        "a replica votes for batches that are not here", ((Ordering, "advance", _advance_any),)
    ),
    "rotate-without-votes": Break(
        "a new vote log begins without the votes of the old one", ((replica, "retained", _without_votes),)
    ),
    "trust-any-block": Break(
        "fetched blocks are installed without a look at their certificates",
        ((certified, "_check_certificate", lambda *_: None),),
    ),
    "own-clock-in-header": Break(
        "a block's time depends on the node", ((header, "block_time_ms", _own_clock()),)
    ),
    "sign-without-view": Break(
        "a vote's signature holds for the same slot in every view",
        ((messages, "_slot_vote_bytes", _without_view),),
    ),
    "believe-hollow-certificates": Break(
        "nobody counts the votes in a certificate, nor looks for the same voter twice",
        ((forms, "_votes_problem", lambda votes, allowed, needed: None),),
    ),
    "never-forget-votes": Break(
        "votes on blocks that are certified are kept for ever",
        ((Certifier, "_trim", lambda certifier: None),),
    ),
    "forget-prepared-with-the-view": Break(
        "what is prepared in one view is forgotten in the next", ((Slot, "leave_view", _leave_everything),)
    ),
    "rename-without-directory-sync": Break(
        "a new vote log takes the old one's name before that is durable",
        ((FakeDisk, "fsync_dir", _folder_is_not_synced),),
    ),
    "views-go-on-with-an-epoch": Break(
        "where other voters take over, the view is still the old one",
        ((ViewChanger, "new_epoch", lambda changer, epoch, out: None),),
    ),
    "forget-new-view": Break(
        "a backup does not log the NEW-VIEW by which it entered a view",
        ((ViewChanger, "enter", _enter_unlogged), (replica, "retained", _without_new_view)),
    ),
    "views-go-on-over-a-turn": Break(
        "where another turn begins, the view is still the old one",
        ((ViewChanger, "new_turn", lambda changer, marks, out: None), *_ANY_TURN),
    ),
    "order-beyond-the-turn": Break(
        "slots of the next turn are ordered in the views of this one",
        ((Watermarks, "above", staticmethod(_beyond_the_turn)), *_ANY_TURN),
    ),
    "never-suspect": Break(
        "no silence of a primary is long enough", ((Timers, "pulse_is_gone", lambda *_, times=1: False),)
    ),
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Run with the bug `name`; "" plants none."""
    patches = BREAKS[name].patches if name else ()
    usual = [(owner, attribute, owner.__dict__[attribute]) for owner, attribute, _ in patches]
    for owner, attribute, wrong in patches:
        setattr(owner, attribute, wrong)
    try:
        yield
    finally:
        for owner, attribute, right in usual:
            setattr(owner, attribute, right)
