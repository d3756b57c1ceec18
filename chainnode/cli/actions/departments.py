"""Departments and studies: who owns objects, and under which key data is taken in."""

from chainnode.cli.actions.base import require, submit
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.payloads import AddDepartment, AddStudy
from chainnode.ledger.records import DepartmentRecord, StudyRecord
from chainnode.node.api import NotFound, SubmitResult
from chainnode.vault.head import HeadKeys
from chainnode.vault.keystore import StewardKeys


async def add_department(
    client: GatewayClient, steward: StewardKeys, head_key: bytes, department: str
) -> SubmitResult:
    """The steward names the head of a new department of this node's member."""
    info = await client.info()
    return await submit(client, AddDepartment(info.member, department, head_key), steward.signing)


async def add_study(client: GatewayClient, head: HeadKeys, department: str, study: str) -> SubmitResult:
    """The head adds a study with a key pair of its own; the private half stays in the head's file.

    A key that an earlier attempt left in the file is used again.
    """
    info = await client.info()
    public = head.studies.get(study) or head.add_study(study)
    return await submit(client, AddStudy(info.member, department, study, public), head.signing)


async def study_key(client: GatewayClient, department: str, study: str) -> bytes:
    """The public sealing key (1,216 bytes) of a study of this node's member. Raises NotFound."""
    info = await client.info()
    try:
        record = await require(
            client,
            keys.study(info.member, department, study),
            StudyRecord,
            "unknown-study",
            f"department {department} has no study {study}",
        )
    except NotFound:
        await require(
            client,
            keys.department(info.member, department),
            DepartmentRecord,
            "unknown-department",
            f"there is no department {department}",
        )
        raise
    return record.sealing_key
