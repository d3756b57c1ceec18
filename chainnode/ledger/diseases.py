"""A tree of diseases on chain, so that "research on one disease" means the same on every node.

The validators agree on a file by its digest, which is the name of a feature (`feature_name`); then any
steward publishes the file itself. What lies in it is a slice of MONDO or a tree of one's own. A later one
takes the place of an earlier one from its block on."""

from base64 import b32encode
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeAlias

from msgspec import Struct

from chainnode.ledger import features, keys, view
from chainnode.ledger.enrolment import require_member
from chainnode.ledger.networkrecords import DiseasesRecord, DiseaseTerm
from chainnode.ledger.payloads import MAX_DISEASES_BYTES, PublishDiseases
from chainnode.ledger.records import RECORD_BYTES
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transition import Transition
from chainnode.ledger.view import Reader
from consensus.codec import DecodeError, decode
from consensus.domain import digest
from consensus.types import Digest

Parents: TypeAlias = Mapping[str, tuple[str, ...]]
"""A disease's code to the codes right above it; what is missing has none."""

NO_TREE: Parents = {}

MAX_CODE_CHARACTERS = 64
MAX_TERMS = 2_000
MAX_PARENTS = 8
MAX_NAME_CHARACTERS = 200


class DiseaseTree(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The file. `terms` are in ascending order of their codes, and no disease lies above itself."""

    name: str
    version: str
    terms: tuple[DiseaseTerm, ...]


def disease_digest(document: bytes) -> Digest:
    return digest("diseases", document)


def feature_name(document: bytes) -> str:
    """The feature by which validators agree on the file: 145 bits of its digest, as many as a name holds."""
    text = b32encode(disease_digest(document)).decode().lower()
    return features.DISEASES_PREFIX + text[: features.DISEASES_LETTERS]


def _require(condition: bool, detail: str) -> None:
    if not condition:
        raise RefusedError("bad-diseases", detail)


def read_tree(document: bytes) -> DiseaseTree:
    """Raises RefusedError("bad-diseases")."""
    try:
        tree = decode(document, DiseaseTree, limit_bytes=MAX_DISEASES_BYTES)
    except DecodeError as error:
        raise RefusedError("bad-diseases", str(error)) from None
    _require(0 < len(tree.name) <= MAX_NAME_CHARACTERS, "its name is empty or too long")
    _require(0 < len(tree.version) <= MAX_NAME_CHARACTERS, "its version is empty or too long")
    _require(0 < len(tree.terms) <= MAX_TERMS, f"{len(tree.terms)} terms: 1 to {MAX_TERMS} are taken")
    codes = [term.code for term in tree.terms]
    _require(codes == sorted(frozenset(codes)), "its terms are not each once, in order of their codes")
    parents = {term.code: term.parents for term in tree.terms}
    for term in tree.terms:
        _require(0 < len(term.code) <= MAX_CODE_CHARACTERS, "a code is empty or too long")
        sound = len(frozenset(term.parents)) == len(term.parents) <= MAX_PARENTS
        _require(sound, f"{term.code} has one parent twice, or more than {MAX_PARENTS}")
        _require(all(one in parents for one in term.parents), f"a parent of {term.code} is not in the tree")
        _require(
            not any(below(parents, one, term.code) for one in term.parents), f"{term.code} lies above itself"
        )
    return tree


def below(parents: Parents, code: str, above: str) -> bool:
    """Whether a disease is `above` itself, or lies below it."""
    line = [code]
    for one in line:
        line += [parent for parent in parents.get(one, ()) if parent not in line]
    return above in line


@lru_cache(maxsize=4)
def _parents(value: bytes) -> Parents:
    record = decode(value, DiseasesRecord, limit_bytes=RECORD_BYTES)
    return {term.code: term.parents for term in record.terms}


def tree(reader: Reader) -> Parents:
    """The tree that is in force, none where none was published."""
    value = reader.get(keys.DISEASES)
    return NO_TREE if value is None else _parents(value)


def publish(call: Transition[PublishDiseases]) -> None:
    """Only the file that the validators agreed on. Raises RefusedError: feature-not-in-force,
    already-done."""
    payload, height = call.payload, call.context.height
    call.require_signer(require_member(call, payload.member).steward_key, "the member's steward")
    name = feature_name(payload.document)
    for feature in (features.CONSENT_2, name):
        features.require(call.state, feature, height)
    held, found = view.diseases(call.state), disease_digest(payload.document)
    if held is not None and held.digest == found:
        raise RefusedError("already-done", "this tree is the one in force")
    terms = read_tree(payload.document).terms
    call.put(keys.DISEASES, DiseasesRecord(found, terms, call.source))
    call.emit("diseases-published", found, feature=name, terms=str(len(terms)))
