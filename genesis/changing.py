"""A change of members on its way: shown in words, signed on machines without a node, copies put together."""

from collections.abc import Callable, Sequence
from pathlib import Path

from consensus.types import Voter
from genesis.codes import GEN_CHANGE, GEN_CHANGE_DIFFERENT, GEN_CHANGE_EXISTS, GEN_CHANGE_KEY
from genesis.document import read_limited
from genesis.errors import OperatorError, quoted, set_aside
from genesis.files import exclusive, write_file
from genesis.keys import verify
from genesis.membership import (
    ADMIT,
    DEMOTE,
    FEATURE,
    MAX_CHANGE_BYTES,
    PROMOTE,
    REMOVE,
    ROTATE,
    ChangeError,
    ChangeFile,
    MembershipChange,
    bounds_of,
    change_signed_bytes,
    encode_change_file,
    parse_change,
)
from genesis.words import fingerprint_words

_SAYS = {
    ADMIT: "{id} ({name}) is admitted as member {member}: it follows the chain and does not vote",
    PROMOTE: "{id} (member {member}), an observer, becomes a validator: it votes",
    DEMOTE: "{id} (member {member}), a validator, becomes an observer: it votes no more",
    REMOVE: "{id} (member {member}) is removed: it is linked no more, and its number is never used again",
    ROTATE: "{id} (member {member}) takes new keys for its node; the old ones count until then",
    FEATURE: "the feature {id} of the protocol begins; a node whose release does not know it stops there",
}


def read_change(path: Path) -> ChangeFile:
    """A change's file with every signature checked. Raises OperatorError GEN-01, GEN-14."""
    return _parsed(read_limited(path, MAX_CHANGE_BYTES), str(path))


def _parsed(data: bytes, source: str) -> ChangeFile:
    try:
        return parse_change(data)
    except ChangeError as error:
        raise OperatorError(
            GEN_CHANGE,
            f"{source} is no change of members: {error}",
            unchanged="nothing was taken from it",
            next_step="ask whoever proposed the change for the file again, and compare its six words",
        ) from None


def summary(file: ChangeFile) -> list[str]:
    """What a validator signs, in sentences, for the one who signs it."""
    change = file.change
    name = change.request.name if change.request else ""
    says = _SAYS[change.kind].format(id=change.id, name=name, member=change.member)
    lines = [
        f"Change {change.number}: {says}",
        f"Words of the change: {' '.join(change.words)}",
        f"Words of the chain that it is for, as its genesis document has them: {chain_words(file)}",
    ]
    if change.request is not None:
        lines.append(f"Words of its join request: {' '.join(change.request.words)}")
    lines += [
        f"Validators now:   {_bounds(change.present())}",
        f"Validators then:  {_bounds(change.voters())}",
    ]
    lines += _consequences(change)
    when = "with the block that holds it"
    if change.delay_heights:
        when = f"{change.delay_heights} heights after the block that holds it"
    lines.append(f"It takes effect {when}, which must come by height {change.valid_until_height}")
    signed = ", ".join(file.signatures) or "nobody yet"
    lines.append(f"Signatures: {len(file.signatures)} (at least {file.needed} are needed): {signed}")
    return lines


def chain_words(file: ChangeFile) -> str:
    """The six words of the chain's id."""
    return " ".join(fingerprint_words(file.change.chain_id))


def _bounds(voters: tuple[Voter, ...]) -> str:
    n, f, quorum = bounds_of(voters)
    return f"{n}, of which {f} may be faulty; {quorum} decide"


def _consequences(change: MembershipChange) -> list[str]:
    """What is won and lost in tolerance."""
    n_before, f_before, quorum_before = bounds_of(change.present())
    n, f, quorum = bounds_of(change.voters())
    lines = []
    if f < f_before:
        meant = "it says that this is meant" if change.fewer_faults else "the chain refuses that"
        lines.append(f"LOST: {f} faulty members are tolerated instead of {f_before}; {meant}")
    elif f > f_before:
        lines.append(f"Won: {f} faulty members are tolerated instead of {f_before}")
    if (n, quorum) != (n_before, quorum_before):
        lines.append(f"From then on the chain stands still where more than {n - quorum} validators are down")
    return lines


def change_data(file: ChangeFile) -> dict[str, object]:
    """The same for programs."""
    change = file.change
    named = ("n", "f", "quorum")
    return {
        "change": change.number,
        "chain_id": change.chain_id,
        "chain_words": chain_words(file),
        "kind": change.kind,
        "member": change.member,
        "id": change.id,
        "words": " ".join(change.words),
        "request_words": " ".join(change.request.words) if change.request else None,
        "key_words": " ".join(fingerprint_words(change.key)) if change.key else None,
        "before": dict(zip(named, bounds_of(change.present()), strict=True)),
        "after": dict(zip(named, bounds_of(change.voters()), strict=True)),
        "fewer_faults": change.fewer_faults,
        "delay_heights": change.delay_heights,
        "valid_until_height": change.valid_until_height,
        "signatures_needed": file.needed,
        "signed": sorted(file.signatures),
        "missing": file.missing(),
    }


def sign_change(path: Path, member: str, sign: Callable[[bytes], bytes]) -> ChangeFile:
    """Add the signature of `member` to the file, atomically, beside those that are there; the file as it
    then is. `sign`: Ed25519 by the member's validator key.

    Others may sign it at the same time: it is read and written under a lock. Raises OperatorError GEN-01,
    GEN-13, GEN-14, GEN-18, and GEN-17 where the key is not the one that the change names for this validator.
    """
    read_change(path)  # a file that is none leaves no lock behind
    with exclusive(path):
        return _signed(path, member, sign)


def _signed(path: Path, member: str, sign: Callable[[bytes], bytes]) -> ChangeFile:
    file = read_change(path)
    key = next((one.key for one in file.change.validators if one.id == member), None)
    signed = change_signed_bytes(file.change.chain_id, file.body)
    signature = sign(signed) if key is not None else b""
    if key is None or not verify(key, signed, signature):
        known = ", ".join(one.id for one in file.change.validators)
        raise OperatorError(
            GEN_CHANGE_KEY,
            f"{path} names no validator {member!r}, only {known}"
            if key is None
            else f"the key at hand is not the validator key that {path} names for {member!r}",
            unchanged="the file is as it was",
            next_step=f"see who signs it: chainnode member show {quoted(path)}",
        )
    data = encode_change_file(file.body, {**file.signatures, member: signature})
    write_file(path, data)
    return _parsed(data, str(path))


def combine_changes(copies: Sequence[bytes]) -> bytes:
    """One file with the signatures of all `copies` of one change. Raises OperatorError GEN-14, GEN-15."""
    files = [_parsed(data, f"copy {number}") for number, data in enumerate(copies, start=1)]
    signatures: dict[str, bytes] = {}
    for number, file in enumerate(files, start=1):
        if file.body != files[0].body:
            raise OperatorError(
                GEN_CHANGE_DIFFERENT,
                f"copy {number} is another change than copy 1: its words are {' '.join(file.change.words)}",
                unchanged="nothing was written",
                next_step="agree by telephone on the words of one change and sign that one",
            )
        signatures |= file.signatures
    return encode_change_file(files[0].body, signatures)


def put_change(path: Path, data: bytes) -> ChangeFile:
    """Write a change to `path`; where it stands there already, add what signatures `data` has more. Returns
    the file as it then is.

    Raises OperatorError GEN-16 where something else has the name, GEN-01, GEN-13, GEN-18.
    """
    with exclusive(path):
        return _put(path, data)


def _put(path: Path, data: bytes) -> ChangeFile:
    if path.exists() or path.is_symlink():
        try:
            data = combine_changes([read_limited(path, MAX_CHANGE_BYTES), data])
        except OperatorError as error:
            raise OperatorError(
                GEN_CHANGE_EXISTS,
                f"{path} is there already and is another file ({error.code.code})",
                unchanged="the file there is as it was, with whatever signatures it holds",
                next_step=f"name another file with --out, or move this one away: {set_aside(path)}",
            ) from None
    write_file(path, data)
    return _parsed(data, str(path))
