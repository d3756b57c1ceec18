"""The rules of a genesis document, each with a sentence for whoever breaks it."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from msgspec import structs

from consensus.bounds import proposal_bytes
from consensus.domain import SUITE
from consensus.parameters import violations
from genesis.keys import valid_sealing_key, valid_signing_key
from genesis.model import GENESIS_VERSION, TRANSPORTS, Genesis, Member, Registrar, Trustee

MAX_MEMBERS = 31
MIN_MEMBERS = 4
MAX_SLUG_CHARS = 32
MAX_NAME_CHARS = 80
RESERVED_IDS = frozenset({"member", "registrar", "trustee", "steward", "head", "patient", "project", "node"})
"""Names of roles: as somebody's id they could not be told from the role in lists, logs and addresses."""
MIN_PROPOSAL_BYTES = 512
"""Of references to batches that one proposal must be able to carry: some, with their attestations."""
SHOWN_ERRORS = 3
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
EARLIEST_MS = 1_577_836_800_000
LATEST_MS = 4_102_444_800_000


@dataclass(frozen=True, slots=True)
class Problem:
    """`level`: "error" (no chain can start from it) or "warning"."""

    level: str
    text: str


def problems(genesis: Genesis) -> list[Problem]:
    """Everything that is wrong or doubtful, errors first."""
    errors = [Problem("error", text) for text in errors_of(genesis)]
    return errors + [Problem("warning", text) for text in _warnings(genesis)]


def errors_of(genesis: Genesis) -> list[str]:
    """The rules that the document breaks."""
    found = list(_head(genesis))
    found += _members(genesis)
    found += _names(genesis)
    found += _keys(genesis)
    if not found:
        # These speak of operators and counts: they mean something only where the rosters are sound.
        found += _frame_bounds(genesis)
        found += _registrar_bounds(genesis)
        found += _trustee_bounds(genesis)
    return found


def brief(errors: list[str]) -> str:
    """The first errors in one line, and how many more there are."""
    more = len(errors) - SHOWN_ERRORS
    return "; ".join(errors[:SHOWN_ERRORS]) + (f"; and {more} more" if more > 0 else "")


def id_error(slug: str) -> str:
    """Why `slug` is no id of a member, registrar or trustee; empty where it is one."""
    if slug in RESERVED_IDS:
        return f"{slug!r} is the name of a role and reserved: take the organisation's, such as {slug}-north"
    return slug_error(slug)


def slug_error(slug: str) -> str:
    """Why `slug` is no id; empty where it is one."""
    if not 0 < len(slug) <= MAX_SLUG_CHARS or not _SLUG.fullmatch(slug):
        return (
            f"{slug[:40]!r} is no id: lower case letters, digits and single hyphens, at most {MAX_SLUG_CHARS}"
        )
    return ""


def name_error(name: str) -> str:
    """Why `name` is no name that can be shown; empty where it is one."""
    if not 0 < len(name) <= MAX_NAME_CHARS:
        return f"a name has 1 to {MAX_NAME_CHARS} characters, not {len(name)}"
    # Not printable: controls, line breaks, and the marks that turn the direction of writing.
    if not name.isprintable() or name != name.strip() or unicodedata.normalize("NFC", name) != name:
        return f"{name!a} is no name: it must be printable, in normal form NFC, without outer spaces"
    return ""


def _head(genesis: Genesis) -> Iterator[str]:
    if genesis.version != GENESIS_VERSION:
        yield f"version {genesis.version} is not known here, only {GENESIS_VERSION}"
    if genesis.suite != SUITE:
        yield f"suite {genesis.suite} is not known here, only {SUITE}"
    if genesis.transport not in TRANSPORTS:
        yield f"transport {genesis.transport[:40]!r} is not one of {', '.join(TRANSPORTS)}"
    if not EARLIEST_MS <= genesis.created_ms < LATEST_MS:
        yield f"created_ms = {genesis.created_ms} is no time between 2020 and 2100"
    if text := slug_error(genesis.network):
        yield f"network: {text}"
    yield from violations(genesis.parameters)


def _members(genesis: Genesis) -> Iterator[str]:
    n = len(genesis.members)
    if n == 0:
        yield "there is no member"
    if n > MAX_MEMBERS:
        yield f"{n} members: at most {MAX_MEMBERS} can vote"
    if [member.number for member in genesis.members] != list(range(n)):
        yield "members are not numbered from 0 in their order"


def _names(genesis: Genesis) -> Iterator[str]:
    ids: list[str] = []
    for kind, roster in _rosters(genesis):
        for one in roster:
            if text := id_error(one.id):
                yield f"{kind}: {text}"
            if text := name_error(one.name):
                yield f"{kind} {one.id[:40]}: {text}"
            ids.append(one.id)
    operated_ones: tuple[Registrar | Trustee, ...] = (*genesis.registrars, *genesis.trustees)
    for operated in operated_ones:
        if text := slug_error(operated.operator):
            yield f"{operated.id[:40]}: operator: {text}"
    for slug in sorted({slug for slug in ids if ids.count(slug) > 1}):
        yield f"the id {slug[:40]!r} is given {ids.count(slug)} times"


def _rosters(
    genesis: Genesis,
) -> tuple[tuple[str, tuple[Member | Registrar | Trustee, ...]], ...]:
    return (
        ("member", genesis.members),
        ("registrar", genesis.registrars),
        ("trustee", genesis.trustees),
    )


def _signing_keys(genesis: Genesis) -> Iterator[tuple[str, bytes]]:
    for member in genesis.members:
        yield f"validator key of {member.id}", member.validator_key
        yield f"transport key of {member.id}", member.transport_key
        yield f"steward key of {member.id}", member.steward_key
    for registrar in genesis.registrars:
        yield f"key of registrar {registrar.id}", registrar.key
    for trustee in genesis.trustees:
        yield f"key of trustee {trustee.id}", trustee.key


def _sealing_keys(genesis: Genesis) -> Iterator[tuple[str, bytes]]:
    holders: tuple[Member | Trustee, ...] = (*genesis.members, *genesis.trustees)
    for one in holders:
        yield f"sealing key of {one.id}", one.sealing_key


def _keys(genesis: Genesis) -> Iterator[str]:
    owners: dict[bytes, str] = {}
    for keys, valid in (
        (_signing_keys(genesis), valid_signing_key),
        (_sealing_keys(genesis), valid_sealing_key),
    ):
        for owner, key in keys:
            if not valid(key):
                yield f"the {owner} ({len(key)} bytes) is no key of its kind: weak, damaged or another kind"
            elif key in owners:
                yield f"the {owner} is also the {owners[key]}"
            owners.setdefault(key, owner)


def _frame_bounds(genesis: Genesis) -> Iterator[str]:
    """A NEW-VIEW must fit a frame and still leave proposals some room (consensus/bounds.py)."""
    parameters, members = genesis.parameters, genesis.replica_set()
    left = proposal_bytes(parameters, members)
    if left >= MIN_PROPOSAL_BYTES:
        return
    # Even 31 members with the largest window find room in the largest frame: this cure always exists.
    copies = (members.quorum + 1) * parameters.window
    cures = [f"raise frame_bytes to at least {parameters.frame_bytes + (MIN_PROPOSAL_BYTES - left) * copies}"]
    smaller = (
        window
        for window in range(parameters.window - 1, 0, -1)
        if proposal_bytes(structs.replace(parameters, window=window), members) >= MIN_PROPOSAL_BYTES
    )
    cures += [f"lower window to {window}" for window in list(smaller)[:1]]
    yield (
        f"frame_bytes = {parameters.frame_bytes} is too small for {members.n} members and window = "
        f"{parameters.window}: {max(left, 0)} bytes remain for a proposal, {MIN_PROPOSAL_BYTES} are needed; "
        + " or ".join(cures)
    )


def _registrar_bounds(genesis: Genesis) -> Iterator[str]:
    if not genesis.registrars:
        yield (
            "there is no registrar: at least one is needed, not run by the hospital that enrols; "
            "build its join request in: chainnode registrar new"
        )
        return
    alone = [
        member.id
        for member in genesis.members
        if all(registrar.operator == member.id for registrar in genesis.registrars)
    ]
    if alone:
        yield (
            f"{', '.join(alone)} has no registrar but its own: it could enrol keys of its own as patients'; "
            "let another organisation send a join request as registrar"
        )


def _trustee_bounds(genesis: Genesis) -> Iterator[str]:
    """Provider and requester are excluded from a release: among the n_T trustees that remain, with
    f_T faulty, f_T + 1 <= t <= n_T - f_T. The lower end: f_T liars cannot open; the upper: f_T silent
    ones cannot block."""
    threshold, faults = genesis.trustee_threshold, genesis.trustee_faults
    if not genesis.trustees:
        if threshold or faults:
            yield "trustee_threshold and trustee_faults must be 0 where there are no trustees"
        return
    if faults < 0 or threshold < faults + 1:
        yield (
            f"trustee_threshold = {threshold} is below trustee_faults + 1 = {faults + 1}: "
            "the faulty alone could open (for three trustees that no member runs: 2 and 1)"
        )
        return
    short = [
        (sum(one.operator not in pair for one in genesis.trustees), *pair)
        for pair in combinations([member.id for member in genesis.members], 2)
    ]
    short = [entry for entry in short if threshold > entry[0] - faults]
    if short:
        remaining, one_end, other_end = min(short)
        others = f" (and between {len(short) - 1} other pairs)" if len(short) > 1 else ""
        yield (
            f"a release between {one_end} and {other_end}{others} leaves {remaining} trustees; {faults} may "
            f"be silent, and {threshold} are needed: take in trustees that are not run by members"
        )


def _warnings(genesis: Genesis) -> Iterator[str]:
    n = len(genesis.members)
    if 0 < n < MIN_MEMBERS:
        yield f"{n} members tolerate no faulty one (f = 0): use at least {MIN_MEMBERS}"
    if not genesis.trustees:
        yield "there are no trustees: patients can consent live, standing consents cannot be opened"
    elif genesis.trustee_faults == 0:
        yield "trustee_faults = 0: one silent trustee can block releases under standing consents"
