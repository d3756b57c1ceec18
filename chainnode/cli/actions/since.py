"""What was taken back since a release was authorised.

The decision of record stands; parts that were not delivered yet are not delivered any more, since every
holder evaluates anew. Here no verdict is made: it is counted for how many objects somebody spoke since.
"""

from dataclasses import dataclass, field

from chainnode.cli.actions.base import listed
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.payloads import DENY, ROLE_PATIENT, ObjectPointer
from chainnode.ledger.records import (
    BASIS_LIVE,
    BASIS_STANDING,
    OUTCOME_AUTHORISED,
    RECORD_BYTES,
    ConsentsRecord,
    GrantRecord,
    ReleaseRecord,
    RequestRevocationRecord,
    RevocationRecord,
)
from chainnode.ledger.transaction import ID_BYTES
from consensus.codec import decode

REVOCATION_PREFIX = b"revocation/"


@dataclass(frozen=True, slots=True)
class Since:
    """Objects of an authorised release whose consent was taken back since, and whether a hospital's role
    said no since."""

    objects: int = 0
    hospital: bool = False


@dataclass(slots=True)
class Revocations:
    """All that patients took back, read once; then asked for one release after the other."""

    client: GatewayClient
    of_patients: dict[bytes, RevocationRecord] = field(default_factory=dict)
    of_requests: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    of_consents: dict[bytes, int] = field(default_factory=dict)

    @classmethod
    async def read(cls, client: GatewayClient) -> "Revocations":
        found = cls(client)
        entries = (await client.read(REVOCATION_PREFIX, prefix=True, limit=10_000)).entries
        for entry in entries:
            name = entry.key.removeprefix(REVOCATION_PREFIX)
            if len(name) == ID_BYTES:
                found.of_patients[name] = decode(entry.value, RevocationRecord, limit_bytes=RECORD_BYTES)
            else:
                one = decode(entry.value, RequestRevocationRecord, limit_bytes=RECORD_BYTES)
                handle, request_id = name[:ID_BYTES], name[ID_BYTES + 1 :]
                found.of_requests[handle, request_id] = one.revoked.height
        records, _ = await listed(client, keys.consents(b""), ConsentsRecord)
        for handle, held in records:
            latest = max((one.revoked.height for one in held.consents), default=0)
            if latest:
                found.of_consents[handle] = latest
        return found

    async def since(self, release: ReleaseRecord, grants: dict[tuple[str, bytes], GrantRecord]) -> Since:
        """`grants`: the decisions that stand on the request, by role and what names the signer."""
        if release.outcome != OUTCOME_AUTHORISED:
            return Since()
        said_no = [role for (role, _), one in grants.items() if _later(release, one) and one.decision == DENY]
        count = 0
        if self._anybody(release) or ROLE_PATIENT in said_no or self._withdrawn(release, grants):
            for verdict in release.verdicts:
                if not verdict.rule and await self._taken_back(
                    release, verdict.object_id, verdict.basis, grants
                ):
                    count += 1
        return Since(count, any(role != ROLE_PATIENT for role in said_no))

    def _anybody(self, release: ReleaseRecord) -> bool:
        heights = [one.all.height for one in self.of_patients.values()]
        heights += [one.revoked.height for record in self.of_patients.values() for one in record.classes]
        heights += [*self.of_requests.values(), *self.of_consents.values()]
        return any(height > release.height for height in heights)

    @staticmethod
    def _withdrawn(release: ReleaseRecord, grants: dict[tuple[str, bytes], GrantRecord]) -> bool:
        """A live release without a patient's grant; the state keeps no other trace of a withdrawn one."""
        live = any(not one.rule and one.basis == BASIS_LIVE for one in release.verdicts)
        return live and all(role != ROLE_PATIENT for role, _ in grants)

    async def _taken_back(
        self,
        release: ReleaseRecord,
        object_id: bytes,
        basis: str,
        grants: dict[tuple[str, bytes], GrantRecord],
    ) -> bool:
        encoded, _, _ = await self.client.object(object_id)
        pointer = decode(encoded, ObjectPointer, limit_bytes=RECORD_BYTES)
        handle, record = pointer.handle, self.of_patients.get(pointer.handle, RevocationRecord())
        heights = [record.all.height, self.of_requests.get((handle, release.request_id), 0)]
        heights += [one.revoked.height for one in record.classes if one.data_class == pointer.data_class]
        grant = grants.get((ROLE_PATIENT, handle))
        if basis == BASIS_STANDING:
            heights.append(self.of_consents.get(handle, 0))
        elif grant is None:
            return True
        denied = grant is not None and grant.decision == DENY and _later(release, grant)
        return denied or max(heights) > release.height


def _later(release: ReleaseRecord, grant: GrantRecord) -> bool:
    return grant.granted.height > release.height
