"""Many releases that differ: rules, bases, departments, hospitals, epochs; each with its receipt.

Everything follows from the seeds, so two runs see the same bytes.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

from chainnode.ledger.diseases import DiseaseTree, feature_name
from chainnode.ledger.documents import AnyProvision, Provision, Provision2
from chainnode.ledger.features import CONSENT_2
from chainnode.ledger.founding import founding_of
from chainnode.ledger.networkrecords import DiseaseTerm
from chainnode.ledger.payloads import (
    DENY,
    PERMIT,
    AddDepartment,
    AddStudy,
    AnchorRecords,
    Grant,
    PublishDiseases,
    Purpose,
    UsePolicy,
)
from chainnode.ledger.records import ReleaseRecord
from consensus.codec import encode
from genesis.document import encode_body, encode_file, signed_body_bytes
from genesis.membership import ADMIT, DEMOTE, PROMOTE, ROTATE
from genesis.model import Genesis, Member, Registrar, chain_id_of
from tests.genesis.consortium import sealing
from tests.ledger.changing import DELAY, Joiner, agree, make, pass_on
from tests.ledger.receipts import receipt
from tests.ledger.scene import DAY_MS, PROVIDER, STUDY, Scene, pointer
from tests.ledger.world import GENESIS_MS, SEALING_KEY, Actor, Chain, digest32, id16

SEEDS = range(25)
OTHER_PROVIDER = 1
POLICIES = (
    UsePolicy("GRU"),
    UsePolicy("NRES"),
    UsePolicy("HMB", ("IRB",)),
    UsePolicy("GRU", ("NPU",)),
    UsePolicy("DS", (), "D50"),
    UsePolicy("POA"),
)
PURPOSES = (
    Purpose("HMB"),
    Purpose("HMB", modifiers=("IRB",)),
    Purpose("GRU"),
    Purpose("DS", "D50"),
    Purpose("DS", "E11", modifiers=("IRB",)),
    Purpose("HMB", for_profit=True, modifiers=("IRB",)),
)
DISEASES = encode(
    DiseaseTree("tests", "1", (DiseaseTerm("D5", ()), DiseaseTerm("D50", ("D5",)), DiseaseTerm("E11", ())))
)
CODES = ("http://snomed.info/sct|73211009", "http://loinc.org|4548-4")
DESKS = ((PROVIDER, "cardiology"), (PROVIDER, "oncology"), (OTHER_PROVIDER, "neurology"))


def founded() -> tuple[Chain, bytes]:
    """A chain whose founding is a genesis file that every member signed, and that file."""
    names = Chain()
    genesis = Genesis(
        network="pool-of-trust",
        created_ms=GENESIS_MS,
        members=tuple(
            Member(
                one.number,
                one.id,
                one.name,
                one.validator_key,
                Actor(f"link of {one.id}").public,
                sealing(one.id),
                one.steward_key,
            )
            for one in names.founding.members
        ),
        registrars=tuple(
            Registrar(one.id, one.name, one.operator, one.key) for one in names.founding.registrars
        ),
        trustees=(),
        trustee_threshold=0,
        trustee_faults=0,
    )
    body = encode_body(genesis)
    signatures = {
        one.id: names.validators[one.number].sign(signed_body_bytes(body)) for one in genesis.members
    }
    chain = Chain(chain_id=chain_id_of(body))
    assert chain.founding == founding_of(genesis)
    return chain, encode_file(body, signatures)


@dataclass(frozen=True)
class Released:
    """A decision, its receipt, and the scene right after it."""

    scene: Scene
    release: ReleaseRecord
    data: bytes


@dataclass
class Story:
    """One chain on which many things happen by chance."""

    seed: int
    found: list[Released] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.wider = self.seed % 4 == 3
        chain, self.genesis = founded()
        self.scene = scene = Scene(chain)
        self.heads = {DESKS[0]: scene.head, DESKS[1]: Actor("head 2"), DESKS[2]: Actor("head 3")}
        for number, slug in DESKS[1:]:
            head = self.heads[number, slug]
            chain.must(chain.stewards[number], AddDepartment(number, slug, head.public))
            chain.must(head, AddStudy(number, slug, STUDY, SEALING_KEY))
        scene.enrol("ada", "bob")
        scene.enrol("cyd", member=OTHER_PROVIDER)
        self.objects: dict[str, str] = {}
        for desk, patients in zip(DESKS, (("ada", "bob"), ("bob",), ("cyd",)), strict=True):
            self.anchor(desk, patients)
        if self.wider:
            self.second_rules()

    def anchor(self, desk: tuple[int, str], patients: Sequence[str]) -> None:
        number, slug = desk
        for policy in (POLICIES[0], self.rng.choice(POLICIES)):
            names = [
                f"{slug} {policy} {one} {kind}" for one in patients for kind in ("conditions", "allergies")
            ]
            self.rng.shuffle(names)
            chosen = {name: name.split()[-2] for name in names if name not in self.objects}
            if not chosen:
                continue
            pointers = tuple(
                pointer(name, self.scene.handle(patient), name.split()[-1])
                for name, patient in chosen.items()
            )
            said = AnchorRecords(number, slug, STUDY, policy, pointers, b"sealed key", digest32("report"))
            self.scene.chain.must(self.scene.chain.validators[number], said)
            self.objects |= chosen

    def maybe(self, chance: int) -> bool:
        return self.rng.randrange(100) < chance

    def second_rules(self) -> None:
        """The chain agrees on consents of the second form, and on a tree of diseases."""
        chain = self.scene.chain
        for name in (CONSENT_2, feature_name(DISEASES)):
            agree(chain, name)
        chain.must(chain.stewards[2], PublishDiseases(2, DISEASES))

    def provision(self, depth: int = 1, type_: str = "") -> AnyProvision:
        if self.wider:
            return self.wide_provision(depth, type_)
        return self.narrow_provision(depth, type_)

    def wide_provision(self, depth: int, type_: str) -> Provision2:
        pick = self.rng
        type_ = type_ or (PERMIT if self.maybe(75) else DENY)
        other, now = DENY if type_ == PERMIT else PERMIT, self.scene.chain.now_ms
        return Provision2(
            type_,
            pick.choice([(), (), (), (3,)]),
            pick.choice([(), (), ("NRES",), ("GRU", "DS:D5"), ("DS:D50",), ("DS:E11",)]),
            pick.choice([(), (), (), ("conditions",)]),
            pick.choice([0, 0, now - DAY_MS]),
            pick.choice([0, 0, now + 2 * DAY_MS]),
            pick.choice([(), (), (3,), (1, 2, 3)]),
            pick.choice([(), (), CODES[:1], CODES]),
            pick.choice([0, 0, 0, now - DAY_MS]),
            pick.choice([0, 0, 0, now]),
            tuple(self.wide_provision(depth + 1, other) for _ in range(pick.randrange(3)) if depth < 3),
        )

    def narrow_provision(self, depth: int, type_: str) -> Provision:
        pick = self.rng
        type_ = type_ or (PERMIT if self.maybe(75) else DENY)
        other = DENY if type_ == PERMIT else PERMIT
        now = self.scene.chain.now_ms
        return Provision(
            type_,
            pick.choice([(), (), (3,), (1, 2)]),
            pick.choice([(), (), ("HMB",), ("GRU", "DS")]),
            pick.choice([(), (), ("conditions",), ("allergies",)]),
            pick.choice([0, 0, now - DAY_MS, now + DAY_MS]),
            pick.choice([0, 0, now + 2 * DAY_MS]),
            tuple(self.narrow_provision(depth + 1, other) for _ in range(pick.randrange(3)) if depth < 3),
        )

    def speak(self, request: bytes, name: str, number: int) -> None:
        """What a patient may say."""
        mine = [one for one, patient in self.objects.items() if patient == name and one in self.asked]
        if mine and self.maybe(20 if self.wider else 55):
            some = self.rng.sample(mine, 1) if self.maybe(25) else ()
            self.scene.grant_patient(request, name, PERMIT if self.maybe(80) else DENY, some)
        if self.maybe(80 if self.wider else 35):
            provision = Provision(PERMIT) if self.maybe(10 if self.wider else 40) else self.provision()
            consent_id = self.scene.consent(name, provision, f"{number}")
            if self.maybe(25):
                self.scene.revoke(name, "consent", consent_id)
        if self.maybe(12):
            scope, target = self.rng.choice(
                [("all", b""), ("class", b"conditions"), ("class", b"allergies"), ("request", request)]
            )
            self.scene.revoke(name, scope, target)
            if mine and self.maybe(40):
                self.scene.grant_patient(request, name)

    def named_by(self, slug: str) -> tuple[bytes, ...]:
        """Objects that a head names, for whose codes and dates the head vouches."""
        mine = [id16(name) for name in self.asked if name.split()[0] == slug]
        return tuple(mine[: self.rng.randrange(1, len(mine) + 1)])

    def provide(self, request: bytes) -> None:
        """What stewards and heads may say."""
        chain = self.scene.chain
        asked = [name.split()[0] for name in self.asked]
        for number, slug in DESKS:
            if slug not in asked or not self.maybe(85):
                continue
            decision = PERMIT if self.maybe(85) else DENY
            some = self.named_by(slug) if self.wider and self.maybe(50) else ()
            said = Grant(request, "head", b"", number, slug, decision, some, b"")
            chain.must(self.heads[number, slug], said)
        for number in {number for number, slug in DESKS if slug in asked}:
            if self.maybe(85):
                said = Grant(request, "steward", b"", number, "", PERMIT if self.maybe(90) else DENY, (), b"")
                chain.must(chain.stewards[number], said)

    def ask(self, number: int) -> None:
        """An application, what is said of it, and the decision."""
        scene, name = self.scene, f"p{number}"
        self.asked = self.rng.sample(sorted(self.objects), self.rng.randrange(1, 5))
        request = scene.apply(
            *self.asked, name=name, purpose=self.rng.choice(PURPOSES[: 4 if number % 2 else 6])
        )
        for patient in ("ada", "bob", "cyd"):
            self.speak(request, patient, number)
        self.provide(request)
        if self.maybe(4):
            scene.withdraw(request, name)
        late = scene.chain.now_ms + 2 * DAY_MS if self.maybe(4) else None
        self.release(request, name, late)
        if self.maybe(20):
            scene.revoke(self.rng.choice(("ada", "bob")))
            self.release(request, name, None)

    def release(self, request: bytes, name: str, time_ms: int | None) -> None:
        record = self.scene.release(request, name, time_ms=time_ms)
        self.found.append(Released(self.scene, record, receipt(self.scene, request)))

    def change_voters(self) -> None:
        """A fifth hospital votes, the provider takes new keys, another stops voting: three epochs."""
        chain = self.scene.chain
        steward = chain.stewards[PROVIDER]
        steps = [(ADMIT, 4, Joiner("hospital-4")), (PROMOTE, 4, None)]
        if self.seed % 2:
            steps += [(ROTATE, PROVIDER, Joiner("hospital-0", " anew", steward=steward)), (DEMOTE, 2, None)]
        for kind, member, joiner in steps:
            make(chain, kind, member, joiner)
            pass_on(chain, chain.height + DELAY)


@cache
def stories() -> tuple[Story, ...]:
    """Not to be changed: shared by tests."""
    told = [Story(seed) for seed in SEEDS]
    for story in told:
        for number in range(4):
            if number == 2 and story.seed % 5 == 0:
                story.change_voters()
            story.ask(number)
    return tuple(told)


def releases() -> list[Released]:
    return [one for story in stories() for one in story.found]
