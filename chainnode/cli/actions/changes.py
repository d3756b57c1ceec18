"""Whose keys a change of members names: the file itself says it, a genesis file or a chain checks it."""

from dataclasses import dataclass
from pathlib import Path

from chainnode.cli.actions.members import Roster
from chainnode.cli.errors import CLI_VERIFY
from genesis.changing import chain_words
from genesis.errors import OperatorError
from genesis.membership import ChangeFile
from genesis.model import Genesis
from genesis.words import fingerprint_words


@dataclass(frozen=True, slots=True)
class Checked:
    """`against`: "genesis", "chain" or "nothing"; `unchecked`: ids of the validators whose keys were not
    found there; `line`: the same in a sentence."""

    against: str
    unchecked: tuple[str, ...]
    line: str


def unchecked(file: ChangeFile) -> Checked:
    """Nothing but the file is at hand."""
    return Checked(
        "nothing",
        tuple(one.id for one in file.change.validators),
        "NOT CHECKED: the validators and their keys are those that the file itself names, and anybody can "
        "write such a file; member show with --genesis FILE or --home HOME checks them",
    )


def check_with_genesis(file: ChangeFile, genesis: Genesis, path: Path) -> Checked:
    """The first change is on top of the founding members; later ones may name others: left unchecked.

    Raises OperatorError CLI-09 where it is for another chain, or names other validators than there can be.
    """
    _require_chain(file, genesis.chain_id, path)
    founding = {(one.number, one.id, one.validator_key) for one in genesis.members}
    named = {(one.number, one.id, one.key): one.id for one in file.change.validators}
    others = tuple(slug for key, slug in named.items() if key not in founding)
    if file.change.number == 1 and founding != set(named):
        raise _not_proven(path, "it is the first change, and its validators are not the founding members")
    if not others:
        line = f"Checked: the keys of all {len(named)} validators are those of the genesis document"
        return Checked("genesis", (), line)
    return Checked(
        "genesis",
        others,
        f"Checked: the chain; NOT CHECKED: the keys of {', '.join(others)} are not in the genesis document, "
        "since members changed, or since the file is made up; member show with --home HOME asks a node",
    )


def check_with_chain(file: ChangeFile, known: Roster, path: Path) -> Checked:
    """Raises OperatorError CLI-09 where it is for another chain, or names others than those who vote now."""
    _require_chain(file, known.info.chain_id, path)
    made, turn = file.change.number, known.record.changes + 1
    if made != turn:
        raise _not_proven(path, f"it is change {made}, the next one of the chain is {turn}")
    ids = {one.number: one.id for one in known.members}
    standing = [(one.id, ids[one.id], one.key) for one in known.voters.members]
    if standing != [(one.number, one.id, one.key) for one in file.change.validators]:
        raise _not_proven(
            path, "the validators that it names are not those of the chain now, or have other keys"
        )
    line = f"Checked: its validators and their keys are those of the chain at height {known.info.height}"
    return Checked("chain", (), line)


def _require_chain(file: ChangeFile, chain_id: bytes, path: Path) -> None:
    if file.change.chain_id != chain_id:
        ours = " ".join(fingerprint_words(chain_id))
        raise _not_proven(path, f"it is for the chain {chain_words(file)}, this one is {ours}")


def _not_proven(path: Path, reason: str) -> OperatorError:
    return OperatorError(
        CLI_VERIFY,
        f"{path} is no change of this chain's members: {reason}",
        unchanged="the file is as it was",
        next_step="do not sign it; ask who proposed it for the file, and compare its six words by telephone",
    )
