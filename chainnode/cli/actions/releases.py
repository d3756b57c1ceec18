"""The decision and what follows: the receipt, the decrypted objects, the table."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chainnode.cli.actions.base import build, require_committed
from chainnode.cli.actions.files import write_private
from chainnode.cli.actions.requests import release_record
from chainnode.gateway.client import DEFAULT_TIMEOUT_MS, GatewayClient
from chainnode.ledger.payloads import RequestRelease
from chainnode.ledger.records import OUTCOME_AUTHORISED, ReleaseRecord
from chainnode.node.api import Outcome, ReleasedObject, SubmitResult
from chainnode.vault.keystore import ProjectKeys

POLL_MS = 200


@dataclass(frozen=True, slots=True)
class Decision:
    """AUTHORISED or REFUSED by certificate, and the receipt that proves it offline."""

    record: ReleaseRecord
    receipt: bytes
    result: SubmitResult

    @property
    def authorised(self) -> bool:
        return self.record.outcome == OUTCOME_AUTHORISED


@dataclass(slots=True)
class Fetched:
    """Objects that were opened, and those that were not, with the rule; `trustees` as in Delivery."""

    objects: list[ReleasedObject] = field(default_factory=list)
    failed: list[ReleasedObject] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    trustees: tuple[str, ...] = ()


async def release(
    client: GatewayClient,
    project: ProjectKeys,
    request_id: bytes,
    *,
    timeout_ms: int = DEFAULT_TIMEOUT_MS,
) -> Decision:
    """Ask for the release and wait for the certificate of the block that decides it.

    A refusal is a decision too, with a receipt: see `Decision.authorised`. Raises TransactionRefused
    where nothing was decided (a stranger's key, an unknown application).
    """
    info = await client.info()
    submission = build(RequestRelease(request_id), project.signing, info)
    result = await client.submit(submission, timeout_ms=timeout_ms)
    record = None
    if result.outcome is Outcome.COMMITTED:
        record = await release_record(client, request_id, min_height=result.height)
    if record is None or record.requested.transaction_id != result.transaction_id:
        require_committed(result)
        assert record is not None, "an executed RequestRelease leaves a decision"
    return Decision(record, await client.receipt(request_id, record.height), result)


@dataclass(frozen=True, slots=True)
class Delivery:
    """At the requester: objects authorised, those with both parts here, those with ciphertext here;
    `trustees`: how they stand to what standing consents release, in words."""

    authorised: int
    parts: int
    objects: int
    trustees: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return self.parts == self.objects == self.authorised


async def delivery(client: GatewayClient, request_id: bytes) -> Delivery:
    """What has arrived by now. Raises Refused."""
    report = await client.delivery(request_id)
    counts = {name: value for name, value in report.items() if isinstance(value, int)}
    trustees = report.get("trustees", [])
    assert isinstance(trustees, list)
    return Delivery(**counts, trustees=tuple(trustees))


async def wait_for_delivery(
    client: GatewayClient,
    request_id: bytes,
    *,
    wait_ms: int,
    progress: Callable[[Delivery], None] = lambda _: None,
) -> Delivery:
    """What has arrived, as soon as it is everything or after `wait_ms`. Raises Refused."""
    for _ in range(max(1, wait_ms // POLL_MS)):
        found = await delivery(client, request_id)
        progress(found)
        if found.complete:
            break
        await asyncio.sleep(POLL_MS / 1_000)
    return found


async def fetch(
    client: GatewayClient,
    project: ProjectKeys,
    request_id: bytes,
    *,
    workspace: Path | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Fetched:
    """Decrypt the objects of an authorised release, into a workspace folder if one is named.

    Each object becomes <workspace>/<pseudonym>/<data class>-<object id>.ndjson, mode 0600.
    Raises Refused where the release is not authorised or its parts have not come; OperatorError CLI-05.
    """
    fetched = Fetched()
    async for item in client.fetch(request_id, project.kem.seed):
        if item.rule:
            fetched.failed.append(item)
            continue
        fetched.objects.append(item)
        if workspace is not None:
            fetched.files.append(_write(workspace, item))
        progress(len(fetched.objects) + len(fetched.failed))
    # Whose part is false shows once the parts are open.
    fetched.trustees = (await delivery(client, request_id)).trustees
    return fetched


def _write(workspace: Path, item: ReleasedObject) -> Path:
    folder = workspace / item.pseudonym.hex()
    # The class comes from the node: only its letters may become part of a path.
    name = "".join(filter(str.isalnum, item.data_class))
    return write_private(folder / f"{name}-{item.object_id.hex()}.ndjson", item.plaintext)
