"""Real signed transactions to be ordered, made once for each size of consortium.

Their order makes sense, so most of them succeed; a workload that skips, repeats and mixes gets every kind
of refusal too.
"""

from dataclasses import dataclass
from functools import cache
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
from chainnode.ledger.transaction import Row, Submission
from tests.ledger.scene import pointer, row
from tests.ledger.world import SEALING_KEY, Actor, Chain, digest32, id16, point

VALID_FOR_HEIGHTS = 900
PATIENTS = 10


@dataclass(frozen=True)
class Corpus:
    """`validators` sign batches; the votes' fake signatures are bound to the same keys."""

    founding: Founding
    validators: tuple[Actor, ...]
    submissions: tuple[Submission, ...]


@cache
def corpus_for(members: int) -> Corpus:
    chain = Chain(members=members)
    made: list[Submission] = []

    def add(actor: Actor, payload: Payload, rows: tuple[Row, ...] = ()) -> None:
        made.append(chain.submission(actor, payload, rows, valid_for=VALID_FOR_HEIGHTS))

    for member in range(members):
        head = Actor(f"head {member}")
        add(chain.stewards[member], AddDepartment(member, "cardiology", head.public))
        add(head, AddStudy(member, "cardiology", "heart", SEALING_KEY))
    for number in range(PATIENTS):
        for member in range(members):
            _add_patient(chain, add, member, f"{member}/{number}")
    return Corpus(chain.founding, tuple(chain.validators), tuple(made))


def _add_patient(chain: Chain, add, member: int, name: str) -> None:  # type: ignore[no-untyped-def]
    patient, handle = Actor("patient " + name), id16("handle " + name)
    link = row("link " + name, b"link of " + name.encode())
    classes = tuple(ClassKey(one, 0, point(name + one)) for one in DATA_CLASSES[:2])
    add(chain.stewards[member], EnrolPatient(member, handle, patient.public, classes, link.digest()), (link,))
    add(chain.registrars[0], AttestEnrolment(handle))
    add(patient, ProveEnrolment(handle))
    pointers = (pointer("object " + name, handle),)
    anchor = AnchorRecords(
        member, "cardiology", "heart", UsePolicy("GRU"), pointers, b"sealed key", digest32("report")
    )
    add(chain.validators[member], anchor)
    if sha256(name.encode()).digest()[0] < 100:
        add(patient, Revoke(handle, "all", b""))
