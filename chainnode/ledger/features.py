"""Features of the protocol that begin at a height, agreed on as a change of members is.

A change of meaning is never a matter of who has upgraded: the validators sign for a name, and from the height
on it is in force on every node at once. A node whose release does not know the name stops before that height
instead of computing something else (node/executor.py). No record: no feature, the founding's rules.
"""

from chainnode.ledger import keys, view
from chainnode.ledger.payloads import ChangeMembership
from chainnode.ledger.records import FeatureRecord, FeaturesRecord
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import Transition
from chainnode.ledger.view import Reader

KNOWN: dict[str, str] = {}
"""The features that this release has, by name, each with what it changes."""

MAX_FEATURES = 256


def _all(reader: Reader) -> tuple[FeatureRecord, ...]:
    record = view.features(reader)
    return () if record is None else record.features


def schedule(call: Transition[ChangeMembership], name: str, from_height: int) -> None:
    """In force from that height on. Whether this release knows it does not matter here: all have to agree.

    Raises RefusedError: already-done, too-many-features.
    """
    known = _all(call.state)
    if any(one.name == name for one in known):
        raise RefusedError("already-done", f"the feature {name} is agreed on")
    if len(known) >= MAX_FEATURES:
        raise RefusedError("too-many-features", f"{MAX_FEATURES} at most")
    call.put(keys.FEATURES, FeaturesRecord((*known, FeatureRecord(name, from_height))))


def active(reader: Reader, name: str, height: int) -> bool:
    """Whether a feature is in force in the block at `height`."""
    return any(one.name == name and one.from_height <= height for one in _all(reader))


def unknown(reader: Reader) -> tuple[FeatureRecord, ...]:
    """Those agreed on that this release does not have, in the order agreed on."""
    return tuple(one for one in _all(reader) if one.name not in KNOWN)
