"""Features of the protocol that begin at a height, agreed on as a change of members is.

A change of meaning is never a matter of who has upgraded: the validators sign for a name, and from the height
on it is in force on every node at once. A node whose release does not know the name stops before that height
instead of computing something else (node/executor.py). No record: no feature, the founding's rules.
"""

import re
from collections.abc import Sequence

from chainnode.ledger import keys, view
from chainnode.ledger.networkrecords import FeatureRecord, FeaturesRecord
from chainnode.ledger.payloads import LATER_MODIFIERS, ChangeMembership
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import Transition
from chainnode.ledger.view import Reader

CONSENT_2 = "consent-2"
DISEASES_PREFIX = "ds-"
DISEASES_LETTERS = 29
_DISEASES = re.compile(rf"{DISEASES_PREFIX}[a-z2-7]{{{DISEASES_LETTERS}}}")

KNOWN: dict[str, str] = {
    CONSENT_2: "consents by level, code, data period and disease; all modifiers of DUO; trees of diseases",
}
"""The features that this release has, by name, each with what it changes. The agreement on a tree of diseases
(diseases.py) is a feature that every such release has."""

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


def require(reader: Reader, name: str, height: int) -> None:
    """Raises RefusedError("feature-not-in-force")."""
    if not active(reader, name, height):
        raise RefusedError("feature-not-in-force", wanting(reader, name, height))


def wanting(reader: Reader, name: str, height: int) -> str:
    """Why a feature is not in force in the block at `height`, in words."""
    begins = next((one.from_height for one in _all(reader) if one.name == name), 0)
    if begins:
        return f"{name} is agreed on and begins at height {begins}; the next block has height {height}"
    return f"{name} is not agreed on"


def require_for_modifiers(reader: Reader, modifiers: Sequence[str], height: int) -> None:
    """Raises RefusedError("feature-not-in-force") where one is not of the founding's."""
    if any(one in LATER_MODIFIERS for one in modifiers):
        require(reader, CONSENT_2, height)


def known(name: str) -> bool:
    return name in KNOWN or _DISEASES.fullmatch(name) is not None


def unknown(reader: Reader) -> tuple[FeatureRecord, ...]:
    """Those agreed on that this release does not have, in the order agreed on."""
    return tuple(one for one in _all(reader) if not known(one.name))
