"""Backups that somebody put together: nothing of theirs comes to lie outside of the new home."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from chainnode.cli.actions.backups import restore_backup
from chainnode.node.archive import PIECE_BYTES, Header, Writer
from chainnode.node.config import load_config
from chainnode.vault.keys import SigningKey
from chainnode.vault.keystore import NodeKeys
from consensus.codec import encode
from genesis.document import load_genesis
from genesis.errors import OperatorError
from genesis.membership import (
    ADMIT,
    MembershipChange,
    Validator,
    change_signed_bytes,
    encode_change,
    encode_change_file,
)
from tests.genesis.consortium import HOSPITALS, hospital_keys, public, request_for, signer
from tests.localnet.consortium import PASSPHRASE, Consortium, found
from tests.node.stand_ins import signing_key

CREATED_MS = 1_767_225_600_000
STRANGER = signing_key("a stranger")


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    return found(tmp_path_factory.mktemp("h") / "n")


@pytest.fixture
def parts(consortium: Consortium) -> dict[str, bytes]:
    home = consortium.hospitals[0].home
    names = {"config": "chainnode.toml", "genesis": "genesis.cbor", "keystore": "keystore.key"}
    return {name: (home / file).read_bytes() for name, file in names.items()} | {
        "rows/000000": encode([(b"subject/1", b"value")]),
        "wraps/" + "ab" * 16: b"sealed",
    }


@pytest.fixture
def header(consortium: Consortium) -> Header:
    genesis = load_genesis(consortium.hospitals[0].home / "genesis.cbor")
    return Header(1, genesis.chain_id, genesis.network, "", STRANGER.public, CREATED_MS, 0, 5, 100, "inside")


def own_key(consortium: Consortium) -> SigningKey:
    return NodeKeys.open(consortium.hospitals[0].home / "keystore.key", PASSPHRASE).validator


def cut(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


def archive(file: Path, header: Header, parts: dict[str, bytes], sign: Callable[[bytes], bytes]) -> Path:
    writer = Writer(header, sign)
    data = writer.begin()
    for name, content in parts.items():
        data += b"".join(writer.entry(name, len(content), cut(content)))
    file.write_bytes(data + writer.end())
    return file


def configured(parts: dict[str, bytes], section: str, line: str) -> dict[str, bytes]:
    """The same with a line in a section of the configuration, in place of what it said there."""
    text, name = parts["config"].decode(), line.split(" =")[0]
    kept = [one for one in text.splitlines() if not (one.startswith(f"{name} =") and section == "genesis")]
    text = "\n".join(kept).replace(f"[{section}]", f"[{section}]\n{line}", 1)
    assert line in text
    return parts | {"config": text.encode()}


def code_of(file: Path, home: Path, **more: Any) -> str:
    with pytest.raises(OperatorError) as refused:
        restore_backup(file, home, None, lambda *_: None, **more)
    assert refused.value.next_step and refused.value.unchanged
    return refused.value.code.code


def everything(folder: Path) -> dict[str, bytes]:
    """By path below the folder; what is no file has no content."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("genesis", 'file = "../../escaped.cbor"'),
        ("genesis", 'file = "x/../../../escaped.cbor"'),
        ("genesis", 'file = "{}/ssh/authorized_keys"'),
        ("store", 'folder = "../victim"'),
        ("store", 'folder = "{}/victim"'),
        ("store", 'folder = "{}/link/victim"'),
        ("pool", 'folder = "{}/dangling"'),
        ("pool", 'folder = "../../new-pool"'),
    ],
)
def test_a_strangers_backup_writes_nothing_outside_of_the_home_wherever_its_configuration_points(
    parts: dict[str, bytes], header: Header, tmp_path: Path, section: str, line: str, allowed: bool
):
    for folder in ("ssh", "victim", "deep"):
        (tmp_path / folder).mkdir()
    (tmp_path / "victim" / "CURRENT").write_bytes(b"a store")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    shaped = configured(parts, section, line.format(tmp_path))
    archive(tmp_path / "file", header, shaped, STRANGER.sign)
    before = everything(tmp_path)
    code = code_of(tmp_path / "file", tmp_path / "deep" / "home", allow_outside=allowed)
    assert code in (("NOD-06", "NOD-08") if allowed else ("NOD-11",))
    assert everything(tmp_path) == before


def test_a_backup_that_no_member_signed_is_refused_and_leaves_nothing(
    parts: dict[str, bytes], header: Header, tmp_path: Path
):
    file = archive(tmp_path / "file", header, parts, STRANGER.sign)
    assert code_of(file, tmp_path / "home") == "NOD-06"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def admission(chain_id: bytes) -> bytes:
    """A change of members that gives espoo its key, signed by those that it names as validators."""
    voters = tuple(Validator(number, slug, public(slug)) for number, slug in enumerate(HOSPITALS))
    request = request_for("espoo", hospital_keys("espoo"))
    body = encode_change(
        MembershipChange(chain_id, 1, ADMIT, 4, "espoo", public("espoo"), voters, request, 0, 1_000)
    )
    said = change_signed_bytes(chain_id, body)
    return encode_change_file(body, {slug: signer(slug)(said) for slug in HOSPITALS})


def test_a_member_that_joined_later_restores_with_the_change_that_gave_it_its_key(
    parts: dict[str, bytes], header: Header, tmp_path: Path
):
    change, other = tmp_path / "change", tmp_path / "other"
    change.write_bytes(admission(header.chain_id))
    other.write_bytes(admission(bytes(32)))
    signed = structs.replace(header, validator_key=public("espoo"))
    file = archive(tmp_path / "file", signed, parts, signer("espoo"))
    assert code_of(file, tmp_path / "home") == "NOD-06"
    assert code_of(file, tmp_path / "home", membership=other) == "GEN-14"
    restore_backup(file, tmp_path / "home", None, lambda *_: None, membership=change)
    named = configured(parts, "genesis", 'membership = "change.cbor"')
    file = archive(tmp_path / "named", signed, named | {"membership": change.read_bytes()}, signer("espoo"))
    restore_backup(file, tmp_path / "again", None, lambda *_: None)
    assert (tmp_path / "again" / "change.cbor").read_bytes() == change.read_bytes()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config", b"[genesis"),
        ("config", b"[genesis]\nelsewhere = 1\n"),
        ("genesis", b"\xa1"),
        ("genesis", b""),
        ("rows/000000", b"\xc1"),
        ("wraps/../../escaped", b"x"),
        ("keys/../../escaped.key", b"x"),
        ("keys/.ssh.key", b"x"),
        ("votes/votes-0000000001.log", b"x"),
    ],
)
def test_content_that_no_node_writes_is_refused_and_leaves_nothing(
    parts: dict[str, bytes], header: Header, tmp_path: Path, name: str, content: bytes
):
    file = archive(tmp_path / "file", header, parts | {name: content}, STRANGER.sign)
    assert code_of(file, tmp_path / "home").startswith(("NOD-07", "GEN-"))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_two_parts_for_one_place_are_refused(parts: dict[str, bytes], header: Header, tmp_path: Path):
    for line in ('file = "chainnode.toml"', 'file = "keystore.key"', 'file = "chainnode.toml/x"'):
        file = archive(tmp_path / "file", header, configured(parts, "genesis", line), STRANGER.sign)
        assert code_of(file, tmp_path / "home") == "NOD-07"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "changes",
    [
        {"created_ms": 2**62},
        {"height": -1},
        {"slug": "\x1b[2J"},
        {"network": "another"},
        {"chain_id": bytes(32)},
        {"chain_id": b""},
        {"objects": "x" * 100},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_header_that_no_node_writes_or_another_networks_is_refused(
    parts: dict[str, bytes], header: Header, tmp_path: Path, changes: dict[str, object]
):
    changed = structs.replace(header, **changes)
    assert code_of(archive(tmp_path / "file", changed, parts, STRANGER.sign), tmp_path / "home") == "NOD-07"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_home_that_is_a_link_is_refused(parts: dict[str, bytes], header: Header, tmp_path: Path):
    file = archive(tmp_path / "file", header, parts, STRANGER.sign)
    (tmp_path / "empty").mkdir()
    (tmp_path / "home").symlink_to(tmp_path / "empty")
    assert code_of(file, tmp_path / "home") == "NOD-08"
    (tmp_path / "other").symlink_to(tmp_path / "nowhere")
    assert code_of(file, tmp_path / "other") == "NOD-08"
    (tmp_path / ".new.restoring").symlink_to(tmp_path / "nowhere")
    assert code_of(file, tmp_path / "new") == "NOD-08"


def test_places_that_an_absolute_path_names_inside_of_the_home_are_in_it(
    consortium: Consortium, parts: dict[str, bytes], header: Header, tmp_path: Path
):
    home = tmp_path / "home"
    shaped = configured(parts, "store", f'folder = "{home}/rows"')
    own = own_key(consortium)
    signed = structs.replace(header, validator_key=own.public)
    file = archive(tmp_path / "file", signed, shaped, own.sign)
    before = os.umask(0)
    try:
        restore_backup(file, home, None, lambda *_: None)
    finally:
        os.umask(before)
    assert (home / "rows" / "local" / "CURRENT").exists() and load_config(home).store_folder.exists()
    assert home.stat().st_mode & 0o777 == 0o711
    assert not [path for path in home.rglob("*") if path.stat().st_mode & 0o077]
