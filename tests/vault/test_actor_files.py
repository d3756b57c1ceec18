from pathlib import Path

import pytest

from chainnode.vault.head import MAX_STUDIES, HeadKeys
from chainnode.vault.keystore import (
    NodeKeys,
    ProjectKeys,
    RegistrarKeys,
    StewardKeys,
    TrusteeKeys,
    WalletFile,
)
from chainnode.vault.secretfile import SecretFile
from consensus.codec import encode
from genesis.errors import OperatorError

FAST = "interactive"
KINDS = [NodeKeys, StewardKeys, RegistrarKeys, TrusteeKeys, ProjectKeys, WalletFile, HeadKeys]


def secrets_of(keys: object) -> list[bytes]:
    found = []
    for name in ("validator", "transport", "sealing", "signing", "kem", "wallet"):
        if hasattr(keys, name):
            found.append(getattr(keys, name).seed)
    return [*found, keys.local_key] if isinstance(keys, NodeKeys) else found


def code_of(action: object) -> str:
    with pytest.raises(OperatorError) as caught:
        action()  # type: ignore[operator]
    return caught.value.code.code


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("passphrase", [b"boot!", b"recover"])
def test_keys_come_back_from_their_file(tmp_path: Path, kind: type[NodeKeys], passphrase: bytes) -> None:
    made = kind.create(tmp_path / "f", boot=b"boot!", recovery=b"recover", level=FAST)
    opened = kind.open(tmp_path / "f", passphrase)
    assert secrets_of(opened) == secrets_of(made) != []
    raw = (tmp_path / "f").read_bytes()
    assert not any(secret in raw for secret in secrets_of(made))


@pytest.mark.parametrize("kind", KINDS)
def test_every_secret_is_drawn_anew(tmp_path: Path, kind: type[NodeKeys]) -> None:
    drawn = []
    for name in ("a", "b"):
        drawn += secrets_of(kind.create(tmp_path / name, boot=b"boot!", level=FAST))
    assert len(set(drawn)) == len(drawn)


def test_a_file_of_one_kind_does_not_open_as_another(tmp_path: Path) -> None:
    StewardKeys.create(tmp_path / "f", boot=b"boot!", level=FAST)
    for kind in KINDS:
        if kind is not StewardKeys:
            assert code_of(lambda kind=kind: kind.open(tmp_path / "f", b"boot!")) == "KEY-04"


@pytest.mark.parametrize("payload", [b"", b"\x00", encode(([b"short"],)), encode(([bytes(32)] * 3,))])
def test_a_payload_of_another_shape_is_damage(tmp_path: Path, payload: bytes) -> None:
    SecretFile.create(tmp_path / "f", "keystore", payload, boot=b"boot!", level=FAST)
    assert code_of(lambda: NodeKeys.open(tmp_path / "f", b"boot!")) == "KEY-03"
    SecretFile.create(tmp_path / "h", "head", payload, boot=b"boot!", level=FAST)
    assert code_of(lambda: HeadKeys.open(tmp_path / "h", b"boot!")) == "KEY-03"


def test_a_heads_secrets_of_wrong_length_are_damage(tmp_path: Path) -> None:
    SecretFile.create(tmp_path / "h", "head", encode((bytes(31), bytes(32), [])), boot=b"boot!", level=FAST)
    assert code_of(lambda: HeadKeys.open(tmp_path / "h", b"boot!")) == "KEY-03"


def test_studies_have_keys_of_their_own_that_outlive_the_process(tmp_path: Path) -> None:
    head = HeadKeys.create(tmp_path / "h", boot=b"boot!", recovery=b"recover", level=FAST)
    publics = {name: head.add_study(name) for name in ("asthma", "diabetes")}
    opened = HeadKeys.open(tmp_path / "h", b"recover")
    assert opened.studies == publics and publics["asthma"] != publics["diabetes"]
    for name, public in publics.items():
        assert opened.open_study(name).public == public
        assert head.open_study(name).seed == opened.open_study(name).seed


def test_a_study_is_not_added_twice_and_a_stranger_not_opened(tmp_path: Path) -> None:
    head = HeadKeys.create(tmp_path / "h", boot=b"boot!", level=FAST)
    public = head.add_study("asthma")
    assert code_of(lambda: head.add_study("asthma")) == "KEY-10"
    assert code_of(lambda: head.open_study("diabetes")) == "KEY-10"
    assert HeadKeys.open(tmp_path / "h", b"boot!").studies == {"asthma": public}


@pytest.mark.parametrize("name", ["", "x" * 65, "é" * 33])
def test_a_studys_name_is_bounded(tmp_path: Path, name: str) -> None:
    head = HeadKeys.create(tmp_path / "h", boot=b"boot!", level=FAST)
    assert code_of(lambda: head.add_study(name)) == "KEY-10"


def test_a_head_holds_a_bounded_number_of_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_STUDIES == 500
    monkeypatch.setattr("chainnode.vault.head.MAX_STUDIES", 1)
    head = HeadKeys.create(tmp_path / "h", boot=b"boot!", level=FAST)
    head.add_study("asthma")
    assert code_of(lambda: head.add_study("diabetes")) == "KEY-10"


def test_two_programs_adding_studies_do_not_lose_one(tmp_path: Path) -> None:
    first = HeadKeys.create(tmp_path / "h", boot=b"boot!", level=FAST)
    second = HeadKeys.open(tmp_path / "h", b"boot!")
    public = first.add_study("asthma")
    assert code_of(lambda: second.add_study("diabetes")) == "KEY-08"
    assert second.studies == {}
    assert HeadKeys.open(tmp_path / "h", b"boot!").studies == {"asthma": public}


def test_a_studys_key_is_wrapped_for_its_name_and_public_half(tmp_path: Path) -> None:
    head = HeadKeys.create(tmp_path / "h", boot=b"boot!", level=FAST)
    head.add_study("asthma")
    head.add_study("diabetes")
    first, second = head._payload.studies
    swapped = type(first)(first.name, first.public, second.nonce, second.wrapped)
    head._payload = type(head._payload)(head.signing.seed, head._payload.kek, (swapped,))
    assert code_of(lambda: head.open_study("asthma")) == "KEY-03"


def test_a_renewed_keystore_has_keys_of_its_own_for_votes_and_links_and_the_old_ones_for_the_rest(
    tmp_path: Path,
) -> None:
    old = NodeKeys.create(tmp_path / "old", boot=b"boot!", level=FAST)
    new = old.renewed(tmp_path / "new", boot=b"boot!", level=FAST)
    assert new.validator.public != old.validator.public and new.transport.public != old.transport.public
    assert (new.sealing.seed, new.local_key) == (old.sealing.seed, old.local_key)
    opened = NodeKeys.open(tmp_path / "new", b"boot!")
    assert secrets_of(opened) == secrets_of(new)
    assert code_of(lambda: old.renewed(tmp_path / "new", boot=b"boot!", level=FAST)) == "KEY-06"
