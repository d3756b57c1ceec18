"""A town with trustees: five of them, one at each of five hospitals; two must act together, one may be
faulty."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from chainnode.ledger.documents import ConsentDocument, Provision
from chainnode.ledger.payloads import PERMIT, Consent, DealClassKeys, DealtKey
from chainnode.node.sharestore import Name, ShareStore
from chainnode.node.trusteeship import Trusteeship
from chainnode.vault import feldman
from chainnode.vault.keystore import TrusteeKeys
from consensus.codec import encode
from tests.ledger.scene import row
from tests.ledger.world import Chain, digest32, id16
from tests.node.town import Town, class_scalar

MEMBERS, THRESHOLD, FAULTS = 5, 2, 1
CLASS = "conditions"
REMAINING = (2, 3, 5)
"""Seats, from 1, of those who may open what hospital 0 provides to hospital 3."""


def seed(name: str) -> bytes:
    return sha256(b"actor " + name.encode()).digest()


class TrusteeTown(Town):
    """`folder`: where the trustees keep their shares."""

    def __init__(self, folder: Path) -> None:
        operators = tuple(f"hospital-{number}" for number in range(MEMBERS))
        chain = Chain(members=MEMBERS, trustee_threshold=THRESHOLD, trustee_operators=operators)
        super().__init__(chain=chain, trustee_faults=FAULTS)
        for number, hospital in enumerate(self.hospitals):
            keys = TrusteeKeys(None, (seed(f"trustee {number + 1}"), seed(f"kem {number}")))  # type: ignore[arg-type]
            store = ShareStore(folder / f"shares-{number}", keys.kem)
            hospital.trusteeship = Trusteeship(number + 1, keys, store, chain.state)
            hospital.start()

    def deal(self, patient: str, label: str = "first", seats: Sequence[int] = (2, 3, 4, 5)) -> None:
        """Deal the patient's class key, and bring the shares to these seats."""
        dealt = feldman.deal(class_scalar(patient, CLASS), THRESHOLD, MEMBERS)
        digest, handle = digest32(f"shares {patient} {label}"), self.handle(patient)
        payload = DealClassKeys(handle, (DealtKey(CLASS, 0, dealt.commitments),), digest)
        self.must(self.patient(patient), payload)
        for seat in seats:
            trusteeship = self.hospitals[seat - 1].trusteeship
            assert trusteeship is not None
            trusteeship.store.put(Name(handle, digest, CLASS, 0), dealt.shares[seat])

    def consent(self, patient: str, label: str = "any") -> None:
        """A standing consent for health research."""
        document = ConsentDocument("active", "research", 1, Provision(PERMIT, purposes=("HMB",)))
        text = row(f"consent {patient} {label}", encode(document))
        self.must(self.patient(patient), Consent(self.handle(patient), id16(label), text.digest()), [text])

    def standing(self, *names: str, label: str = "p1") -> bytes:
        """An application that the hospital grants and standing consents cover, decided."""
        request_id = self.apply(*names, label=label)
        for member in dict.fromkeys(self.items[name].member for name in names):
            self.grant_hospital(request_id, member, *(n for n in names if self.items[n].member == member))
        assert self.release(request_id, label).outcome == "AUTHORISED"
        return request_id

    def report(self, request_id: bytes) -> tuple[str, ...]:
        return self.hospitals[self.requester].receiver.trustees(request_id)
