"""Hospitals with the real courier and receiver, over one ledger and links in memory.

Each member provides through a ward of its own; objects are really sealed, parts really opened.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any

from chainnode.ledger.documents import RequestText
from chainnode.ledger.payloads import (
    DATA_CLASSES,
    PERMIT,
    AddDepartment,
    AddStudy,
    AnchorRecords,
    Apply,
    AttestEnrolment,
    ClassKey,
    EnrolPatient,
    Grant,
    ObjectPointer,
    Payload,
    ProveEnrolment,
    Purpose,
    RequestRelease,
    Revoke,
    UsePolicy,
    Withdraw,
)
from chainnode.ledger.records import ReleaseRecord
from chainnode.ledger.transaction import possession_bytes
from chainnode.ledger.view import release
from chainnode.net.wire import (
    Frame,
    decode_frame,
    encode_frame,
)
from chainnode.node.trusteeship import Roster
from chainnode.pool.container import SealedObject, seal_object
from chainnode.pool.halves import policy_digest
from chainnode.vault import group
from chainnode.vault.keys import KemKey
from chainnode.vault.parts import parts_digest, seal_part
from consensus.codec import encode
from tests.ledger.scene import DAY_MS, row
from tests.ledger.world import Actor, Chain, digest32, id16
from tests.node.hospital import Hospital
from tests.node.stand_ins import Clock

REQUESTER = 3
POLICY = UsePolicy("GRU")
STUDY = KemKey(bytes(range(32)))
WARD, STUDY_NAME = "ward", "study"


@dataclass
class Item:
    """An object and what its holders would open of it."""

    member: int
    patient: str
    sealed: SealedObject
    plaintext: bytes
    halves: dict[str, bytes]


def class_scalar(patient: str, data_class: str) -> bytes:
    return group.hash_to_scalar("town/class-key", patient.encode(), data_class.encode())


@dataclass
class Town:
    """`taps` see each frame on its way, and return whether it arrives; `frames`: those that were sent."""

    frame_bytes: int = 1_048_576
    chain: Chain = field(default_factory=Chain)
    taps: list[Callable[[int, int, Frame], bool]] = field(default_factory=list)
    frames: list[tuple[int, int, Frame]] = field(default_factory=list)
    trustee_faults: int = 0
    requester: int = REQUESTER

    def __post_init__(self) -> None:
        self.trustees = self.chain.founding.trustees
        self.trustee_threshold = self.chain.trustee_threshold
        self.roster = Roster(self, self)  # type: ignore[arg-type]
        self.clock = Clock()
        self.down: set[int] = set()
        self.items: dict[str, Item] = {}
        self.projects: dict[bytes, KemKey] = {}
        self._underway: deque[tuple[int, int, Frame]] = deque()
        self.heads = [Actor(f"head {number}") for number in range(self.chain.members)]
        for number, head in enumerate(self.heads):
            self.must(self.chain.stewards[number], AddDepartment(number, WARD, head.public))
            self.must(head, AddStudy(number, WARD, STUDY_NAME, STUDY.public))
        self.hospitals = [Hospital(self, number) for number in range(self.chain.members)]

    def all(self) -> list[Any]:
        """The members, as the roster wants them."""
        return list(self.chain.founding.members)

    # --- the chain ---

    def must(self, actor: Actor, payload: Payload, rows: Sequence = ()) -> None:  # type: ignore[type-arg]
        assert self.run(actor, payload, rows) == ""

    def run(self, actor: Actor, payload: Payload, rows: Sequence = ()) -> str:  # type: ignore[type-arg]
        """A block at the clock's time; its result's code."""
        self.clock.pass_ms(10)
        return self.chain.run(actor, payload, rows, time_ms=self.clock.wall_ms).code

    def own(self, number: int, payload: Payload) -> str:
        return self.run(self.chain.validators[number], payload)

    def patient(self, name: str) -> Actor:
        return Actor("patient " + name)

    def handle(self, name: str) -> bytes:
        return id16("handle " + name)

    def class_point(self, patient: str, data_class: str) -> bytes:
        """A class key of which this town knows the secret."""
        return group.multiply_base(class_scalar(patient, data_class))

    def enrol(self, name: str, member: int) -> None:
        link = row("link " + name, b"link")
        keys = tuple(ClassKey(one, 0, self.class_point(name, one)) for one in DATA_CLASSES)
        handle, patient = self.handle(name), self.patient(name)
        payload = EnrolPatient(member, handle, patient.public, keys, link.digest())
        self.must(self.chain.stewards[member], payload, [link])
        self.must(self.chain.registrars[0], AttestEnrolment(handle))
        self.must(patient, ProveEnrolment(handle))

    def seal(self, name: str, patient: str, member: int, plaintext: bytes) -> ObjectPointer:
        drawn: list[bytes] = []

        def random(length: int) -> bytes:
            drawn.append(token_bytes(length))
            return drawn[-1]

        sealed = seal_object(
            plaintext,
            chain_id=self.chain.chain_id,
            object_id=id16(name),
            member=member,
            policy_digest=policy_digest(POLICY),
            study_public=STUDY.public,
            class_point=self.class_point(patient, "conditions"),
            epoch=0,
            random=random,
        )
        self.items[name] = Item(
            member, patient, sealed, plaintext, {"provider": drawn[0], "patient": drawn[1]}
        )
        return ObjectPointer(
            object_id=sealed.object_id,
            handle=self.handle(patient),
            data_class="conditions",
            level=3,
            epoch=0,
            root=sealed.root,
            length_bytes=sealed.length_bytes,
            commitment_hospital=sealed.commitments.hospital,
            commitment_patient=sealed.commitments.patient,
            commitment_dek=sealed.commitments.dek,
            locator=b"sealed",
        )

    def provide(self, *objects: tuple[str, str], member: int = 0, size_bytes: int = 100) -> None:
        """Enrol the patients, seal, store and anchor (object, patient) pairs."""
        for patient in dict.fromkeys(patient for _, patient in objects):
            self.enrol(patient, member)
        pointers = tuple(
            self.seal(name, patient, member, name.encode() * (size_bytes // len(name)))
            for name, patient in objects
        )
        for name, _ in objects:
            self.hospitals[member].objects.put(id16(name), self.items[name].sealed.ciphertext)
            self.hospitals[member].recipients.put(id16(name), self.items[name].sealed.recipients)
        anchor = AnchorRecords(member, WARD, STUDY_NAME, POLICY, pointers, b"key", digest32("report"))
        self.must(self.chain.validators[member], anchor)

    def apply(self, *names: str, label: str = "p1", expires_in_ms: int = DAY_MS) -> bytes:
        request_id, project, sealing = id16("request " + label), Actor("project " + label), KemKey(bytes(32))
        purpose = Purpose("HMB")
        signed = possession_bytes(self.chain.chain_id, request_id, sealing.public, purpose)
        text = row("text " + label, encode(RequestText("A study", "A plan")))
        payload = Apply(
            request_id=request_id,
            member=REQUESTER,
            department=WARD,
            project="lung",
            project_key=project.public,
            project_sealing_key=sealing.public,
            purpose=purpose,
            objects=tuple(id16(name) for name in names),
            expires_ms=self.clock.wall_ms + expires_in_ms,
            text_row=text.digest(),
            possession=project.sign(signed),
        )
        self.must(self.heads[REQUESTER], payload, [text])
        self.projects[request_id] = sealing
        return request_id

    def parts(self, request_id: bytes, names: Sequence[str], role: str) -> list[tuple[bytes, bytes]]:
        key, chain_id = self.projects[request_id].public, self.chain.chain_id
        return [
            (id16(one), seal_part(key, chain_id, request_id, id16(one), role, self.items[one].halves[role]))
            for one in names
        ]

    def grant_patient(self, request_id: bytes, patient: str, *names: str) -> None:
        parts = self.parts(request_id, names, "patient")
        grant = Grant(request_id, "patient", self.handle(patient), 0, "", PERMIT, (), parts_digest(parts))
        self.hospitals[self.items[names[0]].member].stash.keep(parts)
        self.must(self.patient(patient), grant)

    def grant_hospital(self, request_id: bytes, member: int, *names: str, parts: bool = True) -> None:
        """Steward and head; `parts`: whether the head hands in its halves."""
        steward = Grant(request_id, "steward", b"", member, "", PERMIT, (), b"")
        self.must(self.chain.stewards[member], steward)
        opened = self.parts(request_id, names, "provider") if parts else []
        digest = parts_digest(opened) if opened else b""
        self.hospitals[member].stash.keep(opened)
        self.must(self.heads[member], Grant(request_id, "head", b"", member, WARD, PERMIT, (), digest))

    def grant_all(self, request_id: bytes, *names: str) -> None:
        for member in dict.fromkeys(self.items[name].member for name in names):
            own = [name for name in names if self.items[name].member == member]
            for patient in dict.fromkeys(self.items[name].patient for name in own):
                self.grant_patient(request_id, patient, *(n for n in own if self.items[n].patient == patient))
            self.grant_hospital(request_id, member, *own)

    def release(self, request_id: bytes, label: str = "p1", *, certified: bool = True) -> ReleaseRecord:
        """Decide; the hospitals hear of it as of a certified block, unless it is not."""
        if not certified:
            for hospital in self.hospitals:
                hospital.executor.certified_height = self.chain.height
        assert self.run(Actor("project " + label), RequestRelease(request_id)) == ""
        record = release(self.chain.state, request_id)
        assert record is not None
        for hospital in self.hospitals:
            hospital.note(record)
        return record

    def released(self, *names: str, label: str = "p1") -> bytes:
        """An application for the objects, signed by all, decided."""
        request_id = self.apply(*names, label=label)
        self.grant_all(request_id, *names)
        assert self.release(request_id, label).outcome == "AUTHORISED"
        return request_id

    def revoke(self, patient: str) -> None:
        self.must(self.patient(patient), Revoke(self.handle(patient), "all", b""))

    def withdraw(self, request_id: bytes, label: str = "p1") -> None:
        self.must(Actor("project " + label), Withdraw(request_id, "project", 0, ""))

    def receipts(self, request_id: bytes) -> list[tuple[str, int, int]]:
        """(role, member, peer) of the receipts on chain."""
        start = b"sshare/" + request_id
        found = [
            key.decode(errors="replace").split("/")[-3:]
            for key in self.chain.backend
            if key.startswith(start)
        ]
        return sorted((role, int(member), int(peer)) for role, member, peer in found)

    # --- the links ---

    def post(self, sender: int, to: int, frame: Frame) -> bool:
        if sender != to and self.down & {sender, to}:
            return False
        frame = decode_frame(encode_frame(frame), limit_bytes=self.frame_bytes)
        self.frames.append((sender, to, frame))
        if all([tap(sender, to, frame) for tap in self.taps]):
            self._underway.append((sender, to, frame))
        return True

    async def look(self) -> None:
        """What the postrooms do once a second."""
        for hospital in self.hospitals:
            await hospital.courier.work()
            await hospital.receiver.work()
            await hospital.openings.work()
        await self.arrive()

    async def arrive(self) -> None:
        """Whatever is under way arrives, and what follows from it."""
        while self._underway:
            sender, to, frame = self._underway.popleft()
            await self.hospitals[to].handle(sender, frame)

    async def settle(self) -> None:
        """Look, deliver, file, until nothing happens."""
        before = -1
        while before != len(self.frames):
            before = len(self.frames)
            await self.look()
            for hospital in self.hospitals:
                receipts, hospital.unfiled = hospital.unfiled, {}
                for receipt in receipts:
                    self.own(hospital.number, receipt)

    def sent(self, kind: type[Frame], sender: int | None = None) -> list:  # type: ignore[type-arg]
        """Frames of a kind that were sent."""
        return [one for by, _, one in self.frames if isinstance(one, kind) and sender in (None, by)]

    async def opened(self, request_id: bytes) -> dict[bytes, tuple[str, bytes]]:
        """What the requester's project gets: object id to (rule, plain text)."""
        seed = self.projects[request_id].seed
        return {
            one.object_id: (one.rule, one.plaintext)
            async for one in self.hospitals[REQUESTER].receiver.fetch(request_id, seed)
        }
