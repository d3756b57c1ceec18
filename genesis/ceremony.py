"""The ceremony: join requests become one document, and every member signs it.

Each member can build the document for itself: members are numbered in the order of their ids, so
that equal requests and settings give equal bytes, and equal words.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from consensus.parameters import Parameters
from genesis.checks import brief, problems
from genesis.codes import (
    GEN_DIFFERENT,
    GEN_EXISTS,
    GEN_INVALID,
    GEN_REQUEST_FOREIGN,
    GEN_WRONG_KEY,
)
from genesis.document import (
    MAX_FILE_BYTES,
    GenesisFile,
    encode_file,
    parse_file,
    read_limited,
    signed_body_bytes,
)
from genesis.errors import OperatorError, set_aside
from genesis.files import exclusive, write_file
from genesis.keys import verify
from genesis.model import LIBP2P, TRANSPORTS, Genesis, Member, Registrar, Trustee, encode_body
from genesis.request import JoinRequest, Keys, MemberKeys, RegistrarKeys, TrusteeKeys, request_body
from genesis.words import fingerprint_words


def build(
    requests: Sequence[JoinRequest],
    *,
    network: str,
    created_ms: int,
    trustee_threshold: int = 0,
    trustee_faults: int = 0,
    parameters: Parameters | None = None,
    transport: str = LIBP2P,
) -> bytes:
    """The genesis file that follows from `requests`, signed by nobody yet.

    Raises OperatorError GEN-08 (a request for another network) and GEN-05 (the document would break
    a rule).
    """
    for request in requests:
        if request.network != network:
            raise OperatorError(
                GEN_REQUEST_FOREIGN,
                f"the request of {request.id!r} is for the network {request.network!r}, not {network!r}",
                unchanged="nothing was built",
                next_step=f"ask {request.id!r} for a request for {network!r}",
            )
    ordered = sorted(requests, key=lambda request: request.id)
    genesis = Genesis(
        network=network,
        created_ms=created_ms,
        members=tuple(_members(ordered)),
        registrars=tuple(
            Registrar(one.id, one.name, one.keys.operator, one.keys.signing)
            for one in ordered
            if isinstance(one.keys, RegistrarKeys)
        ),
        trustees=tuple(
            Trustee(one.id, one.name, one.keys.operator, one.keys.signing, one.keys.sealing)
            for one in ordered
            if isinstance(one.keys, TrusteeKeys)
        ),
        trustee_threshold=trustee_threshold,
        trustee_faults=trustee_faults,
        parameters=Parameters() if parameters is None else parameters,
        transport=transport,
    )
    broken = [problem.text for problem in problems(genesis) if problem.level == "error"]
    if broken:
        raise OperatorError(
            GEN_INVALID,
            f"these requests and settings break {len(broken)} rule(s): {brief(broken)}",
            unchanged="nothing was built",
            next_step="correct the settings or ask for the requests anew",
        )
    return encode_file(encode_body(genesis), {})


def _members(ordered: Sequence[JoinRequest]) -> list[Member]:
    found = [(one, one.keys) for one in ordered if isinstance(one.keys, MemberKeys)]
    return [
        Member(number, one.id, one.name, keys.validator, keys.transport, keys.sealing, keys.steward)
        for number, (one, keys) in enumerate(found)
    ]


def summary(genesis: Genesis) -> list[str]:
    """What a member signs, in sentences, for the one who signs it."""
    created = datetime.fromtimestamp(genesis.created_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    replicas = genesis.replica_set()
    lines = [
        f"Network {genesis.network}, founded {created}",
        f"Words of the document: {' '.join(fingerprint_words(genesis.chain_id))}",
        f"{replicas.n} members, of which {replicas.f} may be faulty; {replicas.quorum} decide",
        f"They link by {TRANSPORTS[genesis.transport]}",
    ]
    for member in genesis.members:
        keys = MemberKeys(member.validator_key, member.transport_key, member.sealing_key, member.steward_key)
        lines.append(f"member {member.number}: {member.id} ({member.name}), {_words(genesis, member, keys)}")
    for registrar in genesis.registrars:
        words = _words(genesis, registrar, RegistrarKeys(registrar.key, registrar.operator))
        lines.append(f"registrar: {registrar.id} ({registrar.name}), run by {registrar.operator}, {words}")
    for trustee in genesis.trustees:
        words = _words(genesis, trustee, TrusteeKeys(trustee.key, trustee.sealing_key, trustee.operator))
        lines.append(f"trustee: {trustee.id} ({trustee.name}), run by {trustee.operator}, {words}")
    if genesis.trustees:
        lines.append(
            f"{genesis.trustee_threshold} trustees must act together, {genesis.trustee_faults} may be faulty"
        )
    lines += [f"warning: {problem.text}" for problem in problems(genesis) if problem.level == "warning"]
    return lines


def _words(genesis: Genesis, entry: Member | Registrar | Trustee, keys: Keys) -> str:
    """The words of the join request from which this entry follows: the same that were read out."""
    return "words: " + " ".join(fingerprint_words(request_body(genesis.network, entry.id, entry.name, keys)))


def sign_file(data: bytes, member: str, sign: Callable[[bytes], bytes], source: str) -> bytes:
    """`data` with the signature of `member` added; as it was where that signature is there.

    `sign`: Ed25519 by the member's validator key. Raises OperatorError GEN-02 to GEN-05, and GEN-09
    where the key is not that of `member` or the document knows no such member.
    """
    file = parse_file(data, source)
    entry = file.genesis.member_by_id(member)
    signature = sign(signed_body_bytes(file.body)) if entry is not None else b""
    if entry is None or not verify(entry.validator_key, signed_body_bytes(file.body), signature):
        raise OperatorError(
            GEN_WRONG_KEY,
            f"{source} names no member {member!r}"
            if entry is None
            else f"the key at hand is not the validator key that {source} names for {member!r}",
            unchanged="the file is as it was",
            next_step="compare the words of your join request with those that the document shows",
        )
    return encode_file(file.body, {**file.signatures, member: signature})


def sign(path: Path, member: str, sign: Callable[[bytes], bytes]) -> GenesisFile:
    """Add the signature of `member` to the file at `path`, atomically; the file as it then is. The
    signatures of others who sign it at the same time stay.

    Raises what `sign_file` raises, and OperatorError GEN-01 (the file cannot be read), GEN-13 (not written),
    GEN-18 (another process keeps it).
    """
    read_limited(path, MAX_FILE_BYTES)  # a file that is not there leaves no lock behind
    with exclusive(path):
        data = sign_file(read_limited(path, MAX_FILE_BYTES), member, sign, str(path))
        write_file(path, data)
    return parse_file(data, str(path))


def combine(copies: Sequence[bytes]) -> bytes:
    """One file with the signatures of all `copies` of the same document.

    Raises OperatorError GEN-10 where they are not the same document, GEN-02 to GEN-05 where a copy
    is no genesis file.
    """
    files = [parse_file(data, f"copy {number}") for number, data in enumerate(copies, start=1)]
    signatures: dict[str, bytes] = {}
    for number, file in enumerate(files, start=1):
        if file.body != files[0].body:
            raise OperatorError(
                GEN_DIFFERENT,
                f"copy {number} is another document than copy 1: its words are "
                + " ".join(fingerprint_words(file.genesis.chain_id)),
                unchanged="nothing was written",
                next_step="agree by telephone on the words of one document and sign that one",
            )
        signatures |= file.signatures
    return encode_file(files[0].body, signatures)


def put(path: Path, data: bytes) -> GenesisFile:
    """Write a document to `path`; where it stands there already, add what signatures `data` has more.

    Nothing that is there is ever lost. Returns the file as it then is. Raises OperatorError GEN-11
    where something else has the name, GEN-01, GEN-13, GEN-18.
    """
    with exclusive(path):
        return _put(path, data)


def _put(path: Path, data: bytes) -> GenesisFile:
    if path.exists() or path.is_symlink():
        there = read_limited(path, MAX_FILE_BYTES)
        try:
            data = combine([there, data])
        except OperatorError as error:
            raise OperatorError(
                GEN_EXISTS,
                f"{path} is there already and is {_otherwise(error)}",
                unchanged="the file there is as it was, with whatever signatures it holds",
                next_step=f"name another file with --out, or move this one away: {set_aside(path)}",
            ) from None
        if data == there:
            return parse_file(data, str(path))
    write_file(path, data)
    return parse_file(data, str(path))


def _otherwise(error: OperatorError) -> str:
    return "another document" if error.code is GEN_DIFFERENT else f"no genesis file ({error.code.code})"
