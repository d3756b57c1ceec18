"""A file that asks is signed where there is no node; what is wrong is refused before anything is signed."""

from pathlib import Path

import msgspec
import pytest

from chainnode.cli.actions.asking import (
    FORM,
    Answer,
    Application,
    AskedHalf,
    Asking,
    Member,
    TakingBack,
    Terms,
    answer,
    decode_asking,
    read_answer,
)
from chainnode.ledger.documents import ConsentDocument, Provision
from chainnode.ledger.fields import SCOPE_ALL
from chainnode.ledger.payloads import DENY, PERMIT, Consent, Grant, ObjectPointer, Purpose, Revoke, UsePolicy
from chainnode.ledger.transaction import Submission
from chainnode.vault.keys import KemKey, verify
from chainnode.vault.parts import ROLE_PATIENT, open_part, parts_digest
from chainnode.vault.wallet import Wallet
from consensus.codec import decode, encode
from consensus.domain import signing_bytes
from genesis.errors import OperatorError
from tests.pool import objects

WALLET = Wallet(bytes(range(32)))
PROJECT = KemKey(b"p" * 32)
POLICY = encode(UsePolicy("GRU", ("IRB",)))
SEALED = objects.make(b"{}")
DOCUMENT = encode(ConsentDocument("active", "research", 1, Provision(PERMIT)))


def application(*pointers: ObjectPointer) -> Application:
    halves = tuple(AskedHalf(encode(one), POLICY, SEALED.object.recipients) for one in pointers)
    purpose = Purpose("GRU", "", False, ("IRB",))
    return Application(b"r" * 16, 3, "research", "heart", "t", "", purpose, 9, PROJECT.public, halves)


def asking(matter: Application | Terms | TakingBack, wallet: Wallet = WALLET) -> Asking:
    members = (Member(2, "hospital-a", "City Hospital"),)
    key = wallet.identity(objects.CHAIN, objects.MEMBER).public
    return Asking(FORM, objects.CHAIN, "net", members, objects.MEMBER, b"h" * 16, key, 1, 517, matter)


def checked(made: Answer) -> Submission:
    """The submission, its signature looked at."""
    held = decode(made.submission, Submission, limit_bytes=100_000)
    key = WALLET.identity(objects.CHAIN, objects.MEMBER).public
    signed = signing_bytes("transaction", objects.CHAIN, held.transaction.body)
    assert verify(key, signed, held.transaction.signature)
    assert (made.signed().signer, made.signed().valid_until_height) == (key, 517)
    return held


def test_a_yes_seals_the_patients_half_to_the_project() -> None:
    made = answer(WALLET, asking(application(SEALED.pointer)))
    checked(made)
    (part,) = made.as_parts()
    opened = open_part(PROJECT, part.sealed, objects.CHAIN, b"r" * 16, part.object_id, ROLE_PATIENT)
    assert opened == SEALED.half_patient
    digest = parts_digest([(part.object_id, part.sealed)])
    assert made.signed().payload == Grant(b"r" * 16, "patient", b"h" * 16, 0, "", PERMIT, (), digest)


def test_a_no_seals_nothing() -> None:
    made = answer(WALLET, asking(application(SEALED.pointer)), yes=False)
    checked(made)
    assert made.signed().payload == Grant(b"r" * 16, "patient", b"h" * 16, 0, "", DENY, (), b"")
    assert not made.parts


def test_terms_travel_as_the_row_that_is_signed_for() -> None:
    made = answer(WALLET, asking(Terms(DOCUMENT)))
    (row,) = checked(made).rows
    payload = made.signed().payload
    assert row.data == DOCUMENT and isinstance(payload, Consent) and payload.provision_row == row.digest()


def test_a_revocation_is_signed() -> None:
    made = answer(WALLET, asking(TakingBack(SCOPE_ALL, b"")))
    checked(made)
    assert made.signed().payload == Revoke(b"h" * 16, SCOPE_ALL, b"")


def test_another_wallet_does_not_sign() -> None:
    with pytest.raises(OperatorError, match="asks another patient"):
        answer(Wallet(b"x" * 32), asking(Terms(DOCUMENT)))


def test_a_no_to_terms_is_no_answer() -> None:
    with pytest.raises(OperatorError, match="a no answers an application"):
        answer(WALLET, asking(Terms(DOCUMENT)), yes=False)


def test_a_half_that_is_not_the_one_on_chain_is_not_sealed() -> None:
    other = msgspec.structs.replace(SEALED.pointer, commitment_patient=b"x" * 32)
    with pytest.raises(OperatorError, match="does not open") as caught:
        answer(WALLET, asking(application(other)))
    assert "nothing was signed" in caught.value.unchanged


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\xc1",
        encode(asking(Terms(DOCUMENT))) + b"\x00",
        encode(msgspec.structs.replace(asking(Terms(DOCUMENT)), form="chainnode-asking-2")),
        encode(msgspec.structs.replace(asking(Terms(DOCUMENT)), handle=b"h")),
        encode(asking(Terms(b"no consent"))),
        encode(asking(TakingBack("some", b""))),
        encode(asking(application(msgspec.structs.replace(SEALED.pointer, handle=b"x" * 16)))),
        encode(asking(application()))[:-1],
    ],
)
def test_what_is_no_file_to_sign_is_refused(broken: bytes) -> None:
    with pytest.raises(OperatorError, match="no file to sign"):
        decode_asking(broken, "it")


def test_every_file_that_asks_is_read_as_it_was_written() -> None:
    for matter in (application(SEALED.pointer), Terms(DOCUMENT), TakingBack(SCOPE_ALL, b"")):
        assert decode_asking(encode(asking(matter)), "it") == asking(matter)


def test_what_is_no_signed_file_is_refused(tmp_path: Path) -> None:
    made = answer(WALLET, asking(Terms(DOCUMENT)))
    for broken in (b"", encode(msgspec.structs.replace(made, submission=b"x")), DOCUMENT):
        (tmp_path / "it").write_bytes(broken)
        with pytest.raises(OperatorError, match="no signed file"):
            read_answer(tmp_path / "it")
    (tmp_path / "it").write_bytes(encode(made))
    assert read_answer(tmp_path / "it") == made
