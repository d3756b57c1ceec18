from itertools import product

import pytest

from chainnode.vault import group, tdh2
from chainnode.vault.derive import derive_intake_key, pseudonym
from chainnode.vault.errors import SealingError
from chainnode.vault.wallet import Wallet

CHAIN = b"c" * 32
WALLET = Wallet(bytes(range(32)))


def test_a_wallet_gives_the_same_keys_again_and_again() -> None:
    again = Wallet(bytes(range(32)))
    assert WALLET.identity(CHAIN, 2).public == again.identity(CHAIN, 2).public
    assert WALLET.class_key(CHAIN, 2, "conditions", 0) == again.class_key(CHAIN, 2, "conditions", 0)


def test_keys_differ_by_chain_member_class_epoch_and_wallet() -> None:
    wallets, chains = (WALLET, Wallet.generate()), (CHAIN, b"d" * 32)
    identities = {w.identity(c, m).public for w, c, m in product(wallets, chains, range(4))}
    assert len(identities) == 16
    classes = ("conditions", "medications")
    points = {
        w.class_key(c, m, name, epoch).point
        for w, c, m, name, epoch in product(wallets, chains, range(2), classes, range(2))
    }
    assert len(points) == 32


def test_a_class_key_is_a_scalar_and_its_point() -> None:
    key = WALLET.class_key(CHAIN, 0, "observations", 3)
    assert group.is_scalar(key.scalar) and group.is_point(key.point)
    assert group.multiply_base(key.scalar) == key.point


def test_a_half_opens_under_its_class_key_and_label() -> None:
    key, half = WALLET.class_key(CHAIN, 0, "observations", 0), bytes(range(64))
    ciphertext = tdh2.encode_ciphertext(tdh2.encrypt(key.point, half, b"label"))
    assert key.open_half(ciphertext, b"label") == half
    assert WALLET.class_key(CHAIN, 0, "observations", 1).open_half(ciphertext, b"label") != half
    with pytest.raises(SealingError) as caught:
        key.open_half(ciphertext, b"other")
    assert caught.value.rule == "ciphertext-invalid"


def test_neither_wallet_nor_class_key_prints_its_secret() -> None:
    key = WALLET.class_key(CHAIN, 0, "observations", 0)
    assert str(key.scalar) not in repr(key) and str(WALLET.seed) not in repr(WALLET)


def test_derived_keys_are_frozen() -> None:
    """Other bytes here mean that every wallet and keystore in use has lost its keys."""
    key = WALLET.class_key(CHAIN, 1, "conditions", 0)
    assert (
        WALLET.identity(CHAIN, 1).public.hex()
        == "197c6ee50e567014f19188264f681ac46c9720dc59c5adc156e3ba22281ffc56"
    )
    assert key.point.hex() == "975f64cb614c654f6381cc18dd71fc2751bee416484853146f7af0c313b0ec5d"
    assert (
        derive_intake_key(bytes(32), "cardiology").hex()
        == "6819221f118d7ad4dbed4ea5dbf75e4af58ccb27abe0d395ed826ad535b6a7c4"
    )
    assert pseudonym(bytes(32), b"r" * 16, b"h" * 16).hex() == "72b9b80ee876d9bfbdbae2ad829eab43"


def test_departments_have_intake_keys_of_their_own() -> None:
    keys = {derive_intake_key(local, name) for local in (bytes(32), b"k" * 32) for name in ("a", "b")}
    assert len(keys) == 4


def test_pseudonyms_join_within_a_request_and_not_across_requests() -> None:
    local = bytes(32)
    assert pseudonym(local, b"r" * 16, b"h" * 16) == pseudonym(local, b"r" * 16, b"h" * 16)
    different = {pseudonym(local, r * 16, h * 16) for r in (b"r", b"s") for h in (b"h", b"i")}
    assert len(different) == 4 and all(len(one) == 16 for one in different)
