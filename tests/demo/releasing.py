"""Step 7: both sign, the parts travel, hospital D decrypts; hospital C tries with all that it has."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from nacl import bindings

from chainnode.cli.actions import releases
from chainnode.cli.views import hidden_counts
from chainnode.intake.table import cohort_table
from chainnode.ledger.payloads import ObjectPointer
from chainnode.ledger.records import BatchRecord
from chainnode.pool.container import NONCE_BYTES, SEGMENT_BYTES, TAG_BYTES, open_hospital_wrap
from chainnode.pool.errors import ObjectError
from chainnode.pool.halves import patient_wrap_label, policy_digest, require_half
from chainnode.pool.pool import Pool
from chainnode.vault import tdh2
from chainnode.vault.errors import SealingError
from chainnode.vault.keys import KemKey
from chainnode.vault.keystore import NodeKeys
from consensus.codec import decode
from tests.demo.applications import patient_grants, release
from tests.demo.world import BYSTANDER, PROVIDERS, REQUESTER, Project, World
from tests.localnet.consortium import PASSPHRASE
from tests.localnet.shown import shown

DELIVERY_MS = 60_000


@dataclass(frozen=True, slots=True)
class Anchored:
    """`policy`: digest of the use policy that the wraps are bound to."""

    pointer: ObjectPointer
    member: int
    policy: bytes


async def both_sign(world: World, project: Project) -> Path:
    """Returns the project's workspace, with what was decrypted."""
    stage = world.stage
    stage.title(7, "Both sign: AUTHORISED by certificate, delivered, decrypted")
    patients = world.patients_of(*PROVIDERS)
    done = 0
    with stage.progress("patients sign with their wallets", len(patients)) as step:
        for patient in patients:
            await patient_grants(world, project, patient)
            done += 1
            step(done)
    decision = await release(world, project, "both")
    assert decision.authorised, decision.record.rule
    authorised = sum(not one.rule for one in decision.record.verdicts)
    stage.line(
        f"RELEASED: {authorised} of {len(project.objects)} objects, "
        f"AUTHORISED at height {decision.record.height}"
    )
    workspace = await fetch(world, project, authorised)
    await bystander(world, project)
    return workspace


async def fetch(world: World, project: Project, authorised: int) -> Path:
    """Wait for the delivery, decrypt into the project's workspace, show the table."""
    stage, client = world.stage, await world.client(REQUESTER, "researcher")
    with stage.progress("objects delivered over direct links", authorised) as step:
        delivery = await releases.wait_for_delivery(
            client, project.request_id, wait_ms=DELIVERY_MS, progress=lambda found: step(found.objects)
        )
    assert delivery.complete, delivery
    workspace = world.folder / "workspace" / project.request_id.hex()
    fetched = await releases.fetch(client, project.keys, project.request_id, workspace=workspace)
    assert len(fetched.objects) == authorised and not fetched.failed, fetched.failed
    table = cohort_table((one.pseudonym, one.data_class, one.plaintext) for one in fetched.objects)
    stage.table(
        f"Patients by condition and age band at onset (people; {table.patients} patients, not de-duplicated)",
        ("condition", *table.bands, "total"),
        [(row.name, *row.cells, row.total) for row in table.rows[:8]],
        hidden_counts(table.smallest_cell),
    )
    stage.look(f"ls {shown(workspace)}")
    return workspace


async def bystander(world: World, project: Project) -> None:
    """Hospital C gets every byte that D and the providers hold of these objects, and tries its secrets."""
    tried, opened = await asyncio.to_thread(_try_everything, world, await _anchored(world, project))
    assert opened == 0, f"{opened} halves opened for a hospital that took no part"
    world.stage.line(
        f"hospital C, given the ciphertexts and wraps of all {len(project.objects)} objects, tries every "
        f"secret on its disk: {tried} attempts, {opened} halves opened"
    )


async def _anchored(world: World, project: Project) -> list[Anchored]:
    """Pointer, provider and policy digest of every object, from the chain."""
    client = await world.client(REQUESTER, "researcher")
    found = []
    for object_id in project.objects:
        encoded, batch, _ = await client.object(object_id)
        pointer = decode(encoded, ObjectPointer, limit_bytes=len(encoded))
        record = decode(batch, BatchRecord, limit_bytes=len(batch))
        found.append(Anchored(pointer, record.member, policy_digest(record.policy)))
    return found


def _secrets(world: World) -> list[bytes]:
    """Every 32-byte secret that hospital C's files hold: node, steward, heads and their studies."""
    hospital = world.hospitals[BYSTANDER]
    keys = NodeKeys.open(hospital.home / "keystore.key", PASSPHRASE)
    found = [keys.validator.seed, keys.transport.seed, keys.sealing.seed, keys.local_key]
    found.append(world.stewards[BYSTANDER].signing.seed)
    for one in world.of(BYSTANDER):
        found += [one.head.signing.seed, one.head.open_study(one.study).seed]
    return found


def _try_everything(world: World, anchored: list[Anchored]) -> tuple[int, int]:
    """(attempts, halves or segments opened)."""
    chain_id = world.chain_id
    tried = opened = 0
    secrets = _secrets(world)
    kems = [KemKey(secret) for secret in secrets]
    scalars = [bindings.crypto_core_ed25519_scalar_reduce(secret + bytes(32)) for secret in secrets]
    for one in anchored:
        pool = Pool.open(world.hospitals[one.member].home / "pool")
        object_id = one.pointer.object_id
        w_h, ciphertext = pool.wraps.get(object_id), pool.objects.get(object_id)
        nonce, segment = ciphertext[:NONCE_BYTES], ciphertext[NONCE_BYTES:][: SEGMENT_BYTES + TAG_BYTES]
        (recipient,) = pool.recipients_of(object_id)
        w_p = tdh2.decode_ciphertext(recipient.ciphertext)
        label = patient_wrap_label(chain_id, object_id, one.member, one.policy)
        for secret, kem, scalar in zip(secrets, kems, scalars, strict=True):
            tried += 3
            opened += _opens(
                partial(
                    open_hospital_wrap,
                    kem,
                    w_h,
                    chain_id=chain_id,
                    object_id=object_id,
                    member=one.member,
                    policy_digest=one.policy,
                )
            )
            opened += _opens(partial(tdh2.decrypt, scalar, w_p, label), one)
            opened += _opens(partial(ChaCha20Poly1305(secret).decrypt, nonce, segment, None))
    return tried, opened


def _opens(attempt: Callable[[], bytes], patients: Anchored | None = None) -> bool:
    """Whether an attempt gives the half. TDH2's pad opens to something under any key: only a half that
    fits its commitment counts."""
    try:
        found = attempt()
        if patients is not None:
            require_half("patient", found, patients.pointer.commitment_patient)
    except (SealingError, ObjectError, InvalidTag):
        return False
    return True
