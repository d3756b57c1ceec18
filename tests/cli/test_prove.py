"""Proof of possession: a wallet proves only an enrolment whose class keys are its own."""

import pytest

from chainnode.cli.actions.patients import prove
from chainnode.cli.errors import FOREIGN_CLASS_KEY
from chainnode.ledger import keys
from chainnode.ledger.payloads import DATA_CLASSES, ClassKey, ProveEnrolment
from chainnode.ledger.records import HOLDER_PATIENT, EnrolmentRecord, HolderRecord, Source
from chainnode.ledger.transaction import Submission, TransactionBody
from chainnode.node.api import ChainInfo, Entry, Outcome, ReadResult, Refused, Stamp, SubmitResult
from chainnode.vault.wallet import Wallet
from consensus.codec import decode, encode

CHAIN, HANDLE = b"c" * 32, b"h" * 16
WALLET, HOSPITAL = Wallet(bytes(32)), Wallet(bytes([1]) * 32)


class Gateway:
    """A node whose chain holds one enrolment of the wallet's key, with the class keys given."""

    def __init__(self, points):
        key = WALLET.identity(CHAIN, 0).public
        record = EnrolmentRecord(0, key, tuple(points), b"r" * 32, "", Source(b"t" * 32, 1))
        holder = HolderRecord(HOLDER_PATIENT, 0, HANDLE)
        self.state = {keys.holder(key): encode(holder), keys.patient(HANDLE): encode(record)}
        self.submitted = []

    async def info(self):
        return ChainInfo(CHAIN, "net", 0, ((0, "hospital-a", "A"),), 7, 1, 1_000, b"")

    async def read(self, key, **_):
        entries = (Entry(key, self.state[key]),) if key in self.state else ()
        return ReadResult(entries, Stamp(7, b"", 1, b""))

    async def submit(self, submission, parts=(), **_):
        body = decode(submission, Submission, limit_bytes=10_000).transaction.body
        self.submitted.append(decode(body, TransactionBody, limit_bytes=10_000).payload)
        return SubmitResult(b"t" * 32, Outcome.COMMITTED, 8, "ok")


def class_keys(wallet, names=DATA_CLASSES):
    return [ClassKey(name, 0, wallet.class_key(CHAIN, 0, name, 0).point) for name in names]


async def test_a_wallet_proves_its_own_enrolment():
    gateway = Gateway(class_keys(WALLET))
    await prove(gateway, WALLET, 0)
    assert gateway.submitted == [ProveEnrolment(HANDLE)]


@pytest.mark.parametrize("foreign", DATA_CLASSES)
async def test_a_class_key_that_is_not_the_wallets_is_not_proven(foreign):
    others = [name for name in DATA_CLASSES if name != foreign]
    gateway = Gateway(class_keys(WALLET, others) + class_keys(HOSPITAL, [foreign]))
    with pytest.raises(Refused) as caught:
        await prove(gateway, WALLET, 0)
    assert caught.value.rule == FOREIGN_CLASS_KEY and foreign in caught.value.detail
    assert not gateway.submitted
