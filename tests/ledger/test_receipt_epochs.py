"""Receipts of later epochs: from the genesis file over every change of the voters to the decision."""

from functools import cache

import pytest
from msgspec import structs

from chainnode.ledger.epochs import EpochStep, build_proof, founding_schedule, verify_proof_of_epochs
from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.receipt import EPOCHS_VERSION
from chainnode.ledger.verification import verify_receipt
from consensus.codec import decode, encode
from consensus.messages import QuorumCertificate, Vote
from consensus.types import Voter
from genesis import cbor
from genesis.membership import ADMIT, DEMOTE, PROMOTE, ROTATE
from tests.ledger.changing import DELAY, Joiner, make, pass_on
from tests.ledger.receipts import authorised, proof, receipt, rule, signed_scene, taken_apart
from tests.ledger.scene import PROVIDER, Scene
from tests.ledger.world import verify


@cache
def changed() -> tuple[Scene, bytes, bytes]:
    """Not to be changed. A fifth hospital votes, the provider took new keys, member 1 stopped voting."""
    scene, request = signed_scene()
    chain = scene.chain
    make(chain, ADMIT, 4, Joiner("hospital-4"))
    make(chain, PROMOTE, 4)
    pass_on(chain, chain.height + DELAY)
    make(chain, ROTATE, PROVIDER, Joiner("hospital-0", " anew", steward=chain.stewards[PROVIDER]))
    pass_on(chain, chain.height + DELAY)
    make(chain, DEMOTE, 1)
    pass_on(chain, chain.height + DELAY)
    scene.release(request)
    return scene, request, receipt(scene, request)


def test_a_receipt_of_a_later_epoch_verifies_from_genesis_alone() -> None:
    scene, request, data = changed()
    report = verify_receipt(data, scene.chain.founding, verify=verify)
    assert (report.header.epoch, report.release.request_id) == (3, request)
    assert "epochs" in [check.title for check in report.checks]
    assert taken_apart(data)["version"] == EPOCHS_VERSION


def test_a_receipt_of_the_founding_epoch_is_what_it_was() -> None:
    content = taken_apart(authorised()[2])
    assert content["version"] == 1 and "epochs" not in content


def test_a_receipt_while_a_rotation_waits_verifies_too() -> None:
    scene, request = signed_scene()
    chain = scene.chain
    make(chain, ROTATE, PROVIDER, Joiner("hospital-0", " anew", steward=chain.stewards[PROVIDER]))
    scene.release(request)
    assert rule(scene, receipt(scene, request)) == ""


def with_steps(steps: tuple[EpochStep, ...]) -> bytes:
    content = taken_apart(changed()[2])
    content["epochs"] = [encode(step) for step in steps]
    return cbor.encode(content)


def test_every_step_is_needed_and_in_its_place() -> None:
    scene, _, _ = changed()
    steps = proof(scene.chain)
    assert rule(scene, with_steps(steps)) == ""
    assert rule(scene, with_steps(steps[:2])) == "unknown-validators"
    assert rule(scene, with_steps(steps[1:])) == "bad-epochs"
    assert rule(scene, with_steps((steps[0], steps[2]))) == "bad-epochs"
    assert rule(scene, with_steps((*steps, steps[-1]))) == "bad-epochs"
    assert rule(scene, with_steps(())) == "receipt-malformed"


def test_no_step_passes_that_its_epochs_quorum_did_not_certify() -> None:
    scene, _, _ = changed()
    chain = scene.chain
    first, *others = proof(chain)
    intruders = (*first.voters[:4], Voter(4, chain.stewards[2].public))
    renamed = structs.replace(first, voters=intruders)
    assert rule(scene, with_steps((renamed, *others))) == "bad-epochs"
    forged = structs.replace(first.header, state_root=bytes(32))
    assert rule(scene, with_steps((structs.replace(first, header=forged), *others))) == "bad-certificate"
    few = structs.replace(first.certificate, votes=first.certificate.votes[:2])
    assert rule(scene, with_steps((structs.replace(first, certificate=few), *others))) == "bad-certificate"
    elsewhere = structs.replace(first.header, chain_id=bytes(32))
    assert rule(scene, with_steps((structs.replace(first, header=elsewhere), *others))) == "wrong-chain"
    newer = structs.replace(first.header, version=9)
    assert rule(scene, with_steps((structs.replace(first, header=newer), *others))) == "bad-epochs"


@pytest.mark.parametrize("voters", [(), (Voter(1, bytes(32)), Voter(0, bytes(32))), (Voter(0, b"short"),)])
def test_a_set_that_is_none_is_refused_before_it_becomes_one(voters: tuple[Voter, ...]) -> None:
    scene, _, _ = changed()
    first, *others = proof(scene.chain)
    assert rule(scene, with_steps((structs.replace(first, voters=voters), *others))) == "bad-epochs"


def test_an_old_epochs_quorum_certifies_nothing_later() -> None:
    scene, _, data = changed()
    chain, content = scene.chain, taken_apart(data)
    good = decode(content["certificate"], QuorumCertificate, limit_bytes=1 << 16)
    header = chain.headers[-1]
    old = [chain.validators[n] for n in range(4)]
    votes = tuple(
        structs.replace(vote, signature=old[vote.replica % 4].sign(chain.vote_bytes(header, vote.replica)))
        for vote in good.votes
    )
    content["certificate"] = encode(structs.replace(good, votes=votes))
    assert rule(scene, cbor.encode(content)) == "bad-certificate"


def test_voters_certify_nothing_from_before_their_epoch() -> None:
    scene, _, data = changed()
    chain, content = scene.chain, taken_apart(data)
    first = chain.schedule.latest.first_height
    for height, expected in ((first - 1, "bad-header"), (first, "verdict-differs")):
        header = structs.replace(chain.headers[-1], height=height)
        voters = chain.schedule.latest.voters
        votes = tuple(
            Vote(one.id, chain.voters[one.key].sign(chain.vote_bytes(header, one.id)))
            for one in voters.members
        )
        certificate = QuorumCertificate(header.epoch, height, header.hash(), votes)
        forged = content | {"header": encode(header), "certificate": encode(certificate)}
        assert rule(scene, cbor.encode(forged)) == expected


def test_versions_are_not_exchanged() -> None:
    scene, _, data = changed()
    content = taken_apart(data)
    assert rule(scene, cbor.encode(content | {"version": 1})) == "receipt-malformed"
    steps = content.pop("epochs")
    assert rule(scene, cbor.encode(content | {"version": 1})) == "unknown-validators"
    founding_scene, _, founding = authorised()
    padded = taken_apart(founding) | {"version": 2, "epochs": steps}
    assert rule(founding_scene, cbor.encode(padded)) != ""


def test_a_proof_is_made_where_headers_and_certificates_are_here_and_not_before_the_epoch_began() -> None:
    scene, _, _ = changed()
    chain = scene.chain
    missing = build_proof(
        chain.schedule, 3, header=chain.headers.__getitem__, certificate=lambda height: None
    )
    assert missing is None
    assert build_proof(chain.schedule, 0, header=lambda _: None, certificate=lambda _: None) == ()
    only_founding = founding_schedule(chain.founding)
    assert build_proof(only_founding, 1, header=lambda _: None, certificate=lambda _: None) is None


def test_the_walk_gives_the_schedule_that_the_state_has() -> None:
    scene, _, _ = changed()
    walked = verify_proof_of_epochs(proof(scene.chain), scene.chain.founding, verify=verify)
    assert walked.epochs == scene.chain.schedule.epochs
    with pytest.raises(VerificationError):
        verify_proof_of_epochs(proof(scene.chain)[::-1], scene.chain.founding, verify=verify)
