"""Trees of diseases: a JSON file into the chain's form, and onto the chain.

The file: {"name": "...", "version": "...", "terms": {"MONDO:0005148": {"label": "...", "parents":
["..."]}}}. Labels are for people and stay in the file; what the validators agree on is the digest of the
rest."""

import msgspec

from chainnode.cli.actions.base import submit
from chainnode.cli.errors import bad_input
from chainnode.gateway.client import GatewayClient
from chainnode.ledger.diseases import DiseaseTree, read_tree
from chainnode.ledger.networkrecords import DiseaseTerm
from chainnode.ledger.payloads import PublishDiseases
from chainnode.ledger.rules import RefusedError
from chainnode.node.api import SubmitResult
from chainnode.vault.keystore import StewardKeys
from consensus.codec import encode
from genesis.errors import OperatorError

MAX_FILE_BYTES = 1_048_576


class _Term(msgspec.Struct, forbid_unknown_fields=True):
    label: str = ""
    parents: list[str] = []


class _File(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    version: str
    terms: dict[str, _Term]


def parse_diseases(data: bytes) -> tuple[bytes, DiseaseTree]:
    """The encoded tree and what it holds. Raises OperatorError CLI-02, naming what does not fit."""
    try:
        file = msgspec.json.decode(data, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unfit(str(error)) from None
    terms = tuple(DiseaseTerm(code, tuple(file.terms[code].parents)) for code in sorted(file.terms))
    document = encode(DiseaseTree(file.name, file.version, terms))
    try:
        return document, read_tree(document)
    except RefusedError as error:
        raise _unfit(error.refusal.detail) from None


def _unfit(reason: str) -> OperatorError:
    following = "correct it: docs/diseases.json is an example"
    return bad_input(f"the file of diseases cannot be taken: {reason}", following)


async def publish(client: GatewayClient, steward: StewardKeys, document: bytes) -> SubmitResult:
    """Put the tree on the chain, where it is the one in force from then on. Raises TransactionRefused."""
    info = await client.info()
    return await submit(client, PublishDiseases(info.member, document), steward.signing)
