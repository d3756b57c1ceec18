"""What a patient is asked, as a file that can be read and signed where there is no node and no network.

The hospital's machine writes an `Asking`: everything that is needed to say in words what is signed, and the
wrapped halves that the wallet is to open. The wallet answers with an `Answer`: the signed transaction and
the halves sealed to the project. Any machine that reaches a node of the hospital hands that in. Both are
canonical MessagePack. The wallet believes the hospital that the application says what the file says, as it
does where the two talk directly; what it signs names the application alone, by its number.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from msgspec import Struct

from chainnode.cli.actions.files import read_limited
from chainnode.cli.actions.grants import patient_parts
from chainnode.cli.errors import bad_input, usage
from chainnode.cli.next_steps import command
from chainnode.ledger.fields import SCOPE_ALL, SCOPE_CLASS, SCOPE_CONSENT, SCOPE_REQUEST
from chainnode.ledger.payloads import (
    DENY,
    PERMIT,
    ROLE_PATIENT,
    Consent,
    Grant,
    ObjectPointer,
    Payload,
    Purpose,
    Revoke,
)
from chainnode.ledger.rows import SALT_BYTES, decode_consent
from chainnode.ledger.rules import RefusedError
from chainnode.ledger.transaction import (
    ID_BYTES,
    NONCE_BYTES,
    Row,
    Submission,
    TransactionBody,
    sign_transaction,
)
from chainnode.node.api import Half, Part
from chainnode.vault.parts import parts_digest
from chainnode.vault.wallet import Wallet
from consensus.codec import DecodeError, decode, encode
from consensus.domain import DIGEST_BYTES

MAX_ASKING_BYTES = 8_388_608
"""1,000 objects with their wraps."""
FORM, ANSWER_FORM = "chainnode-asking-1", "chainnode-answer-1"
SCOPES = (SCOPE_ALL, SCOPE_CLASS, SCOPE_CONSENT, SCOPE_REQUEST)


class _Form(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    pass


class Member(_Form, frozen=True):
    number: int
    slug: str
    name: str


class AskedHalf(_Form, frozen=True):
    """An object's pointer and use policy, encoded, and the list of recipients with W_p."""

    pointer: bytes
    policy: bytes
    wrapped: bytes


class Application(_Form, frozen=True, tag="application"):
    """One application: the patient says yes or no. `halves`: of the patient's objects in it."""

    request_id: bytes
    member: int
    department: str
    project: str
    title: str
    plan: str
    purpose: Purpose
    expires_ms: int
    sealing_key: bytes
    halves: tuple[AskedHalf, ...]


class Terms(_Form, frozen=True, tag="terms"):
    """A standing consent. `document`: an encoded ConsentDocument of either form."""

    document: bytes


class TakingBack(_Form, frozen=True, tag="taking-back"):
    """A revocation, as in Revoke."""

    scope: str
    target: bytes


Matter: TypeAlias = Application | Terms | TakingBack


class Asking(_Form, frozen=True):
    """`member`: the number of the hospital that asks and enrolled the patient; `patient_key`: by which it
    knows the patient. `time_ms`: when it was written, Unix time."""

    form: str
    chain_id: bytes
    network: str
    members: tuple[Member, ...]
    member: int
    handle: bytes
    patient_key: bytes
    time_ms: int
    valid_until_height: int
    matter: Matter

    def slug(self, number: int) -> str:
        return next((one.slug for one in self.members if one.number == number), str(number))

    def name(self, number: int) -> str:
        """`Name (id)`, or the number of a member that is not listed."""
        for one in self.members:
            if one.number == number:
                return f"{one.name} ({one.slug})"
        return str(number)


class SealedPart(_Form, frozen=True):
    object_id: bytes
    sealed: bytes


class Answer(_Form, frozen=True):
    """What the wallet signed: an encoded Submission, and the parts that go with it."""

    form: str
    chain_id: bytes
    submission: bytes
    parts: tuple[SealedPart, ...]

    def signed(self) -> TransactionBody:
        """The body of the transaction, decoded when the file was read."""
        held = decode(self.submission, Submission, limit_bytes=MAX_ASKING_BYTES)
        return decode(held.transaction.body, TransactionBody, limit_bytes=MAX_ASKING_BYTES)

    def as_parts(self) -> list[Part]:
        return [Part(one.object_id, one.sealed) for one in self.parts]


def read_asking(path: Path) -> Asking:
    """Raises OperatorError CLI-02: unreadable, or not the form."""
    return decode_asking(read_limited(path, MAX_ASKING_BYTES, "the file to sign"), str(path))


def decode_asking(data: bytes, source: str) -> Asking:
    """As `read_asking`, of bytes at hand."""
    try:
        found = decode(data, Asking, limit_bytes=MAX_ASKING_BYTES)
        _check(found)
    except (DecodeError, RefusedError, ValueError) as error:
        remark = "the hospital's machine writes such files"
        raise bad_input(
            f"{source} is no file to sign: {error}", command("kiosk", "--help", remark=remark, node=False)
        ) from None
    return found


def _check(found: Asking) -> None:
    """Raises ValueError (DecodeError is one), RefusedError."""
    sizes = (len(found.chain_id), len(found.patient_key), len(found.handle))
    if found.form != FORM:
        raise ValueError(f"it begins with {found.form[:40]!r}")
    if sizes != (DIGEST_BYTES, DIGEST_BYTES, ID_BYTES):
        raise ValueError("an id or a key in it has another length")
    match found.matter:
        case Terms(document):
            decode_consent(Row(b"", document))
        case TakingBack(scope, _):
            if scope not in SCOPES:
                raise ValueError(f"{scope[:40]!r} is nothing that can be taken back")
        case Application(halves=halves):
            for half in halves:
                if decode(half.pointer, ObjectPointer, limit_bytes=MAX_ASKING_BYTES).handle != found.handle:
                    raise ValueError("an object in it is of another patient")


def read_answer(path: Path) -> Answer:
    """Raises OperatorError CLI-02."""
    data = read_limited(path, MAX_ASKING_BYTES, "the signed file")
    try:
        found = decode(data, Answer, limit_bytes=MAX_ASKING_BYTES)
        if found.form != ANSWER_FORM:
            raise ValueError(f"it begins with {found.form[:40]!r}")
        found.signed()
    except ValueError as error:
        raise bad_input(
            f"{path} is no signed file: {error}",
            command("wallet", "sign", "--help", remark="writes such files", node=False),
        ) from None
    return found


def answer(
    wallet: Wallet, asking: Asking, *, yes: bool = True, random: Callable[[int], bytes] = os.urandom
) -> Answer:
    """Sign; `yes` False: the no to an application.

    Raises OperatorError CLI-02: the wallet is not the one that is asked, or a half does not open; CLI-01: a
    no to something else than an application.
    """
    key = wallet.identity(asking.chain_id, asking.member)
    if key.public != asking.patient_key:
        raise bad_input(
            "the file asks another patient: the hospital does not know this wallet by the key in it",
            command("wallet", "read", "--help", remark="shows whom a file asks", node=False),
        )
    parts: list[Part] = []
    rows: tuple[Row, ...] = ()
    payload: Payload
    if not yes and not isinstance(asking.matter, Application):
        raise usage(
            "a no answers an application, and this file holds none", "leave --no out, or sign nothing"
        )
    match asking.matter:
        case Application() as one:
            if yes:
                parts = _parts(wallet, asking, one)
            digest = parts_digest((part.object_id, part.sealed) for part in parts) if yes else b""
            decision = PERMIT if yes else DENY
            payload = Grant(one.request_id, ROLE_PATIENT, asking.handle, 0, "", decision, (), digest)
        case Terms(document):
            rows = (Row(random(SALT_BYTES), document),)
            payload = Consent(asking.handle, random(ID_BYTES), rows[0].digest())
        case TakingBack(scope, target):
            payload = Revoke(asking.handle, scope, target)
    submission = sign_transaction(
        payload,
        chain_id=asking.chain_id,
        valid_until_height=asking.valid_until_height,
        nonce=random(NONCE_BYTES),
        signer=key.public,
        sign=key.sign,
        rows=rows,
    )
    sealed = tuple(SealedPart(part.object_id, part.sealed) for part in parts)
    return Answer(ANSWER_FORM, asking.chain_id, encode(submission), sealed)


def _parts(wallet: Wallet, asking: Asking, one: Application) -> list[Part]:
    halves = [Half(half.pointer, "", half.policy, half.wrapped) for half in one.halves]
    return patient_parts(wallet, asking.chain_id, asking.member, one.request_id, one.sealing_key, halves)
