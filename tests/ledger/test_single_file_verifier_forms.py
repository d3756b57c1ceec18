"""What only those who hold every key could make: signed rightly, and still not of the one form."""

from dataclasses import replace

import cbor2
import pytest
from msgspec import structs

from chainnode.ledger import keys, view
from chainnode.ledger.documents import Provision
from chainnode.ledger.payloads import PERMIT, Consent
from chainnode.ledger.records import ConsentsRecord
from consensus.codec import decode, encode
from consensus.domain import digest
from consensus.messages import QuorumCertificate, Vote
from consensus.types import BlockHeader
from genesis import cbor
from genesis.document import decode_body, encode_body, encode_file, parse_genesis, signed_body_bytes
from genesis.errors import OperatorError
from tests.ledger.forging import overwrite, said_by
from tests.ledger.receipts import authorised, receipt, rule, signed_scene, taken_apart
from tests.ledger.releases import founded
from tests.ledger.scene import Scene, consent_row
from tests.ledger.twoverifiers import single_file
from tests.ledger.world import Actor


def certified(scene: Scene, data: bytes, header: BlockHeader) -> bytes:
    """The receipt with another header, which every validator signs."""
    chain = scene.chain
    votes = tuple(
        Vote(n, actor.sign(chain.vote_bytes(header, n))) for n, actor in enumerate(chain.validators)
    )
    certificate = QuorumCertificate(header.epoch, header.height, header.hash(), votes)
    new = {"header": encode(header), "certificate": encode(certificate)}
    return cbor.encode(taken_apart(data) | new)


def test_both_refuse_a_header_that_is_too_long() -> None:
    scene, _, data = authorised()
    header = scene.chain.headers[-1]
    assert rule(scene, certified(scene, data, header)) == ""
    assert (
        rule(scene, certified(scene, data, structs.replace(header, parent=bytes(900)))) == "receipt-malformed"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"version": 2}, "bad-header"),
        ({"height": 0}, "bad-header"),
        ({"validators": bytes(32)}, "unknown-validators"),
        ({"epoch": 1}, "unknown-validators"),
        ({"chain_id": bytes(32)}, "wrong-chain"),
    ],
)
def test_both_refuse_a_header_of_other_voters_or_another_version(
    changes: dict[str, int | bytes], expected: str
) -> None:
    scene, _, data = authorised()
    header = structs.replace(scene.chain.headers[-1], **changes)
    assert rule(scene, certified(scene, data, header)) == expected


TWIN, SHORT = Actor("validator 0").public, bytes(31)
UNSOUND = {
    "one key votes for all": tuple((n, TWIN) for n in range(4)),
    "out of order": tuple((n, Actor(f"validator {n}").public) for n in (1, 0, 2, 3)),
    "a number below nought": tuple((n, Actor(f"validator {n + 1}").public) for n in (-1, 0, 1, 2)),
    "a key that is none": (*((n, Actor(f"validator {n}").public) for n in range(3)), (3, SHORT)),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_both_refuse_voters_that_are_no_set_though_all_before_them_certify_it(name: str) -> None:
    scene, _, data = authorised()
    chain, members = scene.chain, UNSOUND[name]
    voters = digest("replica-set", encode((1, members)))
    last = structs.replace(chain.headers[-2], next_validators=voters)
    step = encode((last, decoded_certificate(certified(scene, data, last)), members))
    header = structs.replace(chain.headers[-1], epoch=1, validators=voters)
    votes = tuple(
        Vote(n, chain.voters[key].sign(chain.vote_bytes(header, n))) for n, key in members if key != SHORT
    )
    certificate = QuorumCertificate(1, header.height, header.hash(), votes)
    new = {"version": 2, "epochs": [step], "header": encode(header), "certificate": encode(certificate)}
    assert rule(scene, cbor.encode(taken_apart(data) | new)) == "bad-epochs"


def decoded_certificate(data: bytes) -> QuorumCertificate:
    return decode(taken_apart(data)["certificate"], QuorumCertificate, limit_bytes=1 << 16)


@pytest.mark.parametrize("name", ["header", "certificate"])
def test_both_refuse_a_longer_spelling_of_what_is_signed(name: str) -> None:
    """The hash that the votes sign would be the same: it is taken over the shortest spelling."""
    scene, _, data = authorised()
    content = taken_apart(data)
    good: bytes = content[name]
    assert good[1] in (0, 1)
    longer = good[:1] + bytes([0xCC]) + good[1:]
    assert rule(scene, cbor.encode(content | {name: longer})) == "receipt-malformed"


@pytest.mark.parametrize("changes", [{"version": 0}, {"version": 2}, {"version": 3}, {"type": "receipt"}])
def test_both_refuse_versions_that_are_none(changes: dict[str, str | int]) -> None:
    scene, _, data = authorised()
    more = taken_apart(data) | changes
    assert rule(scene, cbor.encode(more)) == "receipt-malformed"
    assert rule(scene, cbor.encode(more | {"epochs": []})) == "receipt-malformed"


def nested(depth: int) -> Provision:
    """Exceptions to exceptions, so deep."""
    found = Provision(PERMIT)
    for level in range(1, depth):
        found = Provision("deny" if level % 2 else PERMIT, provisions=(found,))
    return found


ODD = {
    "too deep": nested(5),
    "far too deep": nested(200),
    "too many": Provision(PERMIT, provisions=(Provision("deny"),) * 32),
    "the same type": Provision(PERMIT, provisions=(Provision(PERMIT),)),
    "an unknown type": Provision(PERMIT, provisions=(Provision("allow"),)),
    "an actor twice": Provision(PERMIT, actors=(3, 3)),
    "no member": Provision(PERMIT, actors=(3, -1)),
    "too many actors": Provision(PERMIT, actors=tuple(range(65))),
    "an unknown purpose": Provision(PERMIT, purposes=("HMB", "ALL")),
    "an unknown class": Provision(PERMIT, classes=("conditions", "genome")),
    "a class twice": Provision(PERMIT, classes=("conditions", "conditions")),
    "no time": Provision(PERMIT, start_ms=-1),
    "an end before the start": Provision(PERMIT, start_ms=9, end_ms=8),
    "beyond all times": Provision(PERMIT, end_ms=2**53 + 1),
}


@pytest.mark.usefixtures("forger")
@pytest.mark.parametrize("name", ODD)
def test_a_consent_of_another_form_gives_nothing_for_both(name: str) -> None:
    """No node takes such a row in; here the patient signed it and the state names it all the same."""
    scene, request = signed_scene()
    handle, row = scene.handle("bob"), consent_row(name, ODD[name])
    held = view.consents(scene.chain.state, handle)
    assert held is not None
    scene.chain.rows[row.digest()] = row
    said = Consent(handle, held.consents[0].consent_id, row.digest())
    given = said_by(scene, scene.patients["bob"], said)
    odd = structs.replace(held.consents[0], provision_row=row.digest(), given=given)
    overwrite(scene, (keys.consents(handle), ConsentsRecord((odd,))))
    release = scene.release(request)
    assert release.verdicts[1].rule == "patient-not-signed"
    assert rule(scene, receipt(scene, request)) == ""


def signed_by_all(body: bytes) -> bytes:
    chain, genesis = founded()
    ids = cbor2.loads(genesis)["signatures"]
    return encode_file(
        body, {one: chain.validators[n].sign(signed_body_bytes(body)) for n, one in enumerate(sorted(ids))}
    )


@pytest.mark.parametrize("changes", [{"version": 2}, {"suite": 2}])
def test_a_genesis_of_another_version_or_suite_is_refused_whoever_signs(changes: dict[str, int]) -> None:
    document = decode_body(cbor2.loads(founded()[1])["body"])
    assert parse_genesis(signed_by_all(encode_body(document))) == document
    other = signed_by_all(encode_body(replace(document, **changes)))
    with pytest.raises(OperatorError):
        parse_genesis(other)
    with pytest.raises(single_file().Refused):
        single_file().read_genesis(other)


def test_members_twice_or_out_of_their_order_are_refused_whoever_signs() -> None:
    document = decode_body(cbor2.loads(founded()[1])["body"])
    first, second, *others = document.members
    twin = replace(second, validator_key=first.validator_key)
    for members in ((second, first, *others), (first, twin, *others), ()):
        other = signed_by_all(encode_body(replace(document, members=tuple(members))))
        with pytest.raises(OperatorError):
            parse_genesis(other)
        with pytest.raises(single_file().Refused):
            single_file().read_genesis(other)
