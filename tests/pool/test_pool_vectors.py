"""Frozen bytes of suite 1: what was taken in under them must open for as long as it is kept."""

from hashlib import sha256

from objects import make

from chainnode.ledger.payloads import UsePolicy
from chainnode.pool.halves import hospital_wrap_info, patient_wrap_label, policy_digest
from chainnode.pool.recipients import class_key_id

SEALED = make(b"NDJSON of one subject, one class\n" * 3_000)


def test_policy_digest_and_contexts_are_frozen() -> None:
    policy = policy_digest(UsePolicy("DS", ("IRB", "NPU"), "MONDO:0004979"))
    assert policy.hex() == "1ac6f5d44b1da413f9884f79661427c98f1f5decf32c236fe50df9f59b9726c6"
    for context in (hospital_wrap_info, patient_wrap_label):
        assert context(b"c" * 32, b"o" * 16, 2, b"p" * 32).hex() == (
            "95a3"
            + (b"W_h" if context is hospital_wrap_info else b"W_p").hex()
            + "c420"
            + "63" * 32
            + "c410"
            + "6f" * 16
            + "02"
            + "c420"
            + "70" * 32
        )


def test_the_ciphertext_and_its_root_are_frozen() -> None:
    assert (
        sha256(SEALED.object.ciphertext).hexdigest()
        == "edce41fc76615cf5ef558987d37b04552e1826478b8eac09e71d9a193b3179c1"
    )
    assert SEALED.object.root.hex() == "7008422f61364bc958af299bc1a50f34c783f046e9954935cf22db8253a39a87"
    assert SEALED.object.length_bytes == 100_408


def test_the_commitments_are_frozen() -> None:
    assert (
        SEALED.object.commitments.hospital.hex()
        == "f3af2efa6bf9e473b5de5506d2fdd7fb11cee8f1c0adc754a86cda3bd809984a"
    )
    assert (
        SEALED.object.commitments.patient.hex()
        == "92365824639f657394c519eca0192a0142ada803733abb0975e915c3949f291b"
    )
    assert (
        SEALED.object.commitments.dek.hex()
        == "f3b21df8cec23843a13d9c80f69ec8f2393186c3ca15c9f555546a68a73d85cd"
    )


def test_the_patients_wrap_and_the_recipients_list_are_frozen() -> None:
    assert (
        sha256(SEALED.object.w_p).hexdigest()
        == "ead88bd12655ad7c0b3bd546cc7db4d2058261b2b8ff560d784150d84324d121"
    )
    assert (
        sha256(SEALED.object.recipients).hexdigest()
        == "9d3feedecb4f13aa4c5f138e6921e00427cb12fbb0670ea0ec8b81dd3f410911"
    )
    assert class_key_id(bytes(32)).hex() == "31a0d24681ca5731817698b36dab2615"
