"""Real transactions to be ordered: what is said and by whom, made once for each size of consortium.

Their order makes sense, so most of them succeed; a workload that skips, repeats and mixes gets every kind
of refusal too. They are signed when they are handed in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256

from chainnode.ledger.founding import Founding
from chainnode.ledger.payloads import (
    DATA_CLASSES,
    AddDepartment,
    AddStudy,
    AnchorRecords,
    AttestEnrolment,
    ClassKey,
    EnrolPatient,
    Payload,
    ProveEnrolment,
    Revoke,
    UsePolicy,
)
from chainnode.ledger.transaction import Row, Submission, sign_transaction
from tests.ledger.changing import Joiner
from tests.ledger.scene import pointer, row
from tests.ledger.world import SEALING_KEY, Actor, Chain, digest32, id16, point

PATIENTS = 10
ROTATIONS = 4
"""So often a member may change its keys in a run."""


@dataclass(frozen=True)
class Said:
    """One transaction before it is signed."""

    actor: Actor
    payload: Payload
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """`validators` sign batches; the votes' fake signatures are bound to the same keys."""

    founding: Founding
    validators: tuple[Actor, ...]
    transactions: tuple[Said, ...]

    @property
    def numbers(self) -> range:
        return range(len(self.validators))

    def keys_of(self, member: int) -> dict[bytes, Actor]:
        """Whoever signs for the member's node, by public key: the founding key and those that follow."""
        return _keys_of(self.validators[member], member)

    def signed(
        self, index: int, valid_until_height: int, nonce: int, sign: Callable[[Actor, bytes], bytes]
    ) -> Submission:
        """The transaction at `index`, taken round."""
        said = self.transactions[index % len(self.transactions)]
        return sign_transaction(
            said.payload,
            chain_id=self.founding.chain_id,
            valid_until_height=valid_until_height,
            nonce=id16(f"nonce {nonce}"),
            signer=said.actor.public,
            sign=partial(sign, said.actor),
            rows=said.rows,
        )


@cache
def rotated(member: int, times: int) -> Joiner:
    """The keys of the member's node after it changed them so often. Its steward stays."""
    return Joiner(f"hospital-{member}", f" {times}", steward=Actor(f"steward {member}"))


@cache
def _keys_of(founding: Actor, member: int) -> dict[bytes, Actor]:
    later = [rotated(member, times).validator for times in range(1, ROTATIONS + 1)]
    return {actor.public: actor for actor in (founding, *later)}


@cache
def corpus_for(members: int) -> Corpus:
    chain = Chain(members=members)
    made: list[Said] = []
    for member in range(members):
        head = Actor(f"head {member}")
        made.append(Said(chain.stewards[member], AddDepartment(member, "cardiology", head.public)))
        made.append(Said(head, AddStudy(member, "cardiology", "heart", SEALING_KEY)))
    for number in range(PATIENTS):
        for member in range(members):
            made.extend(_patient(chain, member, f"{member}/{number}"))
    return Corpus(chain.founding, tuple(chain.validators), tuple(made))


def _patient(chain: Chain, member: int, name: str) -> list[Said]:
    patient, handle = Actor("patient " + name), id16("handle " + name)
    link = row("link " + name, b"link of " + name.encode())
    classes = tuple(ClassKey(one, 0, point(name + one)) for one in DATA_CLASSES[:2])
    enrolment = EnrolPatient(member, handle, patient.public, classes, link.digest())
    anchor = AnchorRecords(
        member,
        "cardiology",
        "heart",
        UsePolicy("GRU"),
        (pointer("object " + name, handle),),
        b"sealed key",
        digest32("report"),
    )
    said = [
        Said(chain.stewards[member], enrolment, (link,)),
        Said(chain.registrars[0], AttestEnrolment(handle)),
        Said(patient, ProveEnrolment(handle)),
        Said(chain.validators[member], anchor),
    ]
    if sha256(name.encode()).digest()[0] < 100:
        said.append(Said(patient, Revoke(handle, "all", b"")))
    return said
