"""Whoever has every node's disk and the passphrases beside them, and tries to open objects with all of it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nacl import bindings

from chainnode.ledger.payloads import ObjectPointer, UsePolicy
from chainnode.ledger.records import DealtRecord
from chainnode.node.sharestore import SHARES_FOLDER, ShareStore
from chainnode.pool.container import open_hospital_wrap
from chainnode.pool.errors import ObjectError
from chainnode.pool.halves import patient_wrap_label, policy_digest, require_half
from chainnode.pool.pool import Pool
from chainnode.vault import tdh2
from chainnode.vault.errors import SealingError
from chainnode.vault.feldman import share_point
from chainnode.vault.keys import KemKey
from chainnode.vault.keystore import NodeKeys, TrusteeKeys
from tests.localnet.consortium import PASSPHRASE, TRUSTEE_FILE, Hospital


@dataclass(frozen=True, slots=True)
class Target:
    """An object of a member: its pointer, and the policy that it was taken in under."""

    pointer: ObjectPointer
    member: int
    policy: UsePolicy


@dataclass(slots=True)
class Thief:
    """`seats`: the seat of each hospital's trustee. `opened`: (object id, whose half) of what opened."""

    chain_id: bytes
    hospitals: Sequence[Hospital]
    seats: dict[int, int]
    threshold: int
    tried: int = 0
    opened: set[tuple[bytes, str]] = field(default_factory=set)

    def try_all(self, targets: Sequence[Target], dealt: Sequence[DealtRecord]) -> None:
        secrets = [secret for one in self.hospitals for secret in self._secrets(one)]
        for target in targets:
            pool = Pool.open(self.hospitals[target.member].home / "pool")
            w_h = pool.wraps.get(target.pointer.object_id)
            (recipient,) = pool.recipients_of(target.pointer.object_id)
            for secret in secrets:
                self._hospitals_half(target, secret, w_h)
                self._patients_half(target, secret, recipient.ciphertext)
            self._with_shares(target, dealt, recipient.ciphertext)

    def _secrets(self, hospital: Hospital) -> list[bytes]:
        keys = NodeKeys.open(hospital.home / "keystore.key", PASSPHRASE)
        trustee = self._trustee(hospital)
        return [
            keys.validator.seed,
            keys.transport.seed,
            keys.sealing.seed,
            keys.local_key,
            trustee.signing.seed,
            trustee.kem.seed,
            *self.shares(hospital, trustee.kem).values(),
        ]

    def _trustee(self, hospital: Hospital) -> TrusteeKeys:
        return TrusteeKeys.open(hospital.home / TRUSTEE_FILE, PASSPHRASE)

    def shares(self, hospital: Hospital, kem: KemKey) -> dict[tuple[bytes, str, int], bytes]:
        """By handle, class and epoch."""
        store = ShareStore(hospital.home / SHARES_FOLDER, kem)
        found = {}
        for name in store.names():
            share = store.get(name)
            assert share is not None, "a trustee opens its own"
            found[name.handle, name.data_class, name.epoch] = share
        return found

    def _attempt(self, target: Target, role: str, attempt: Callable[[], bytes]) -> None:
        """TDH2's pad opens to something under any key: only a half that fits its commitment counts."""
        self.tried += 1
        try:
            require_half(role, attempt(), getattr(target.pointer, f"commitment_{role}"))
        except (SealingError, ObjectError):
            return
        self.opened.add((target.pointer.object_id, role))

    def _hospitals_half(self, target: Target, secret: bytes, w_h: bytes) -> None:
        def attempt() -> bytes:
            return open_hospital_wrap(
                KemKey(secret),
                w_h,
                chain_id=self.chain_id,
                object_id=target.pointer.object_id,
                member=target.member,
                policy_digest=policy_digest(target.policy),
            )

        self._attempt(target, "hospital", attempt)

    def _label(self, target: Target) -> bytes:
        policy = policy_digest(target.policy)
        return patient_wrap_label(self.chain_id, target.pointer.object_id, target.member, policy)

    def _patients_half(self, target: Target, secret: bytes, w_p: bytes) -> None:
        scalar = bindings.crypto_core_ed25519_scalar_reduce(secret + bytes(32))
        wrap = tdh2.decode_ciphertext(w_p)
        self._attempt(target, "patient", lambda: tdh2.decrypt(scalar, wrap, self._label(target)))

    def _with_shares(self, target: Target, dealt: Sequence[DealtRecord], w_p: bytes) -> None:
        """As t trustees would together, by shares of all disks."""
        pointer = target.pointer
        wanted = (pointer.handle, pointer.data_class, pointer.epoch)
        found: dict[int, bytes] = defaultdict(bytes)
        for one in self.hospitals:
            share = self.shares(one, self._trustee(one).kem).get(wanted)
            if share is not None:
                found[self.seats[one.number]] = share
        names = [(one.data_class, one.epoch) for one in dealt]
        if len(found) < self.threshold or wanted[1:] not in names:
            return
        commitments = dealt[names.index(wanted[1:])].commitments
        wrap, label = tdh2.decode_ciphertext(w_p), self._label(target)
        answers = [tdh2.partial(share, wrap, label, index=seat) for seat, share in found.items()]
        points = {seat: share_point(commitments, seat) or b"" for seat in found}
        self._attempt(target, "patient", lambda: tdh2.combine(wrap, label, answers, points, self.threshold))


def files_with(folders: Sequence[Path], needles: Sequence[bytes]) -> list[Path]:
    """The files below these folders that hold one of the needles."""
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    return [file for file in files if any(needle in file.read_bytes() for needle in needles)]
