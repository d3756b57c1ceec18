"""Backups of a node that stands still: what is inside, what is not, and what is refused."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGINT, default_int_handler, raise_signal, signal

import pytest

from chainnode.cli.actions.backups import Made, create_backup, restore_backup
from chainnode.cli.main import EXIT_INTERRUPTED, run
from chainnode.node.config import NodeConfig, load_config
from chainnode.node.opening import open_node
from chainnode.node.restored import MARK_KEY, Restored
from chainnode.store.lock import FolderLock
from genesis.errors import EXIT_USAGE, OperatorError
from tests.localnet.consortium import PASSPHRASE, Consortium, found

ROWS = {b"subject/%04d" % number: bytes([number % 251]) * 700 for number in range(4_000)}
OBJECTS = {bytes([number]) * 16: bytes([number]) * (number * 40_000 + 1) for number in range(12)}


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    made = found(tmp_path_factory.mktemp("b") / "n")
    home = made.hospitals[0].home
    shutil.copy(made.hospitals[0].steward_file, home / "steward.key")
    (home / "notes.key").write_bytes(b"a key in the clear")
    with ExitStack() as closing:
        opened = open_node(load_config(home), closing)
        opened.store.local_write(dict(ROWS))
        for object_id, data in OBJECTS.items():
            opened.pool.wraps.put(object_id, data[:100])
            opened.pool.recipients.put(object_id, data[:200])
            opened.pool.objects.put(object_id, data)
    return made


@pytest.fixture
def config(consortium: Consortium) -> NodeConfig:
    return load_config(consortium.hospitals[0].home)


def create(config: NodeConfig, out: Path, passphrase: bytes | None = None, *, objects: bool = True) -> Made:
    return create_backup(config, out, passphrase, objects=objects, level="interactive", told=lambda _: None)


def restore(file: Path, home: Path, passphrase: bytes | None = None, *, allow_outside: bool = False):
    return restore_backup(file, home, passphrase, lambda *_: None, allow_outside=allow_outside)


def files(folder: Path) -> Iterator[str]:
    yield from (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_restored_home_holds_what_only_this_node_held_and_a_mark(config: NodeConfig, tmp_path: Path):
    made = create(config, tmp_path / "backup")
    assert (made.running, made.encrypted, made.header.slug) == (False, False, "hospital-a")
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    home = tmp_path / "home"
    outcome = restore(made.file, home)
    assert outcome.entries == made.entries
    for name in ("chainnode.toml", "genesis.cbor", "keystore.key", "steward.key"):
        assert (home / name).read_bytes() == (config.home / name).read_bytes()
    assert not (home / "passphrase").exists() and not (home / "notes.key").exists()
    names = set(files(home))
    assert not any("votes" in name or "chain/" in name for name in names), names
    (home / "passphrase").write_bytes(PASSPHRASE)
    with ExitStack() as closing:
        opened = open_node(load_config(home), closing)
        rows = dict(opened.store.local_iter(b""))
        assert rows.pop(MARK_KEY) and rows == ROWS
        assert Restored(opened.store, [opened.keys.validator.public]).asking
        assert opened.executor.tip.height == 0 and not opened.vote_records
        for object_id, data in OBJECTS.items():
            assert opened.pool.objects.get(object_id) == data
            assert opened.pool.wraps.get(object_id) == data[:100]
            assert opened.pool.recipients.get(object_id) == data[:200]


def test_a_backup_of_a_restored_home_does_not_carry_the_mark_on(config: NodeConfig, tmp_path: Path):
    restore(create(config, tmp_path / "one").file, tmp_path / "home")
    (tmp_path / "home" / "passphrase").write_bytes(PASSPHRASE)
    again = create(load_config(tmp_path / "home"), tmp_path / "two")
    assert again.entries == create(config, tmp_path / "three").entries


def test_without_objects_the_halves_are_inside_all_the_same(config: NodeConfig, tmp_path: Path):
    made = create(config, tmp_path / "backup", objects=False)
    assert made.header.objects == "left-out"
    restore(made.file, tmp_path / "home")
    pool = tmp_path / "home" / "pool"
    assert len(list((pool / "wraps").iterdir())) == len(OBJECTS) and not list((pool / "objects").iterdir())


def test_an_encrypted_backup_opens_with_its_passphrase_alone(config: NodeConfig, tmp_path: Path):
    made = create(config, tmp_path / "backup", b"long and kept apart")
    assert made.encrypted and b"hospital-a" not in made.file.read_bytes()
    for wrong in (None, b"another"):
        with pytest.raises(OperatorError) as refused:
            restore(made.file, tmp_path / "home", wrong)
        assert refused.value.code.code == "NOD-09"
    assert not (tmp_path / "home").exists()
    assert restore(made.file, tmp_path / "home", b"long and kept apart").entries == made.entries


@pytest.mark.parametrize("passphrase", [None, b"a passphrase"])
def test_a_backup_that_was_cut_off_or_altered_restores_nothing(
    config: NodeConfig, tmp_path: Path, passphrase: bytes | None
):
    data = create(config, tmp_path / "backup", passphrase).file.read_bytes()
    altered = bytearray(data)
    altered[len(data) // 2] ^= 1
    for bad in (data[:-1], data[: len(data) // 2], data[:10], b"", bytes(altered), data + b"x"):
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(OperatorError) as refused:
            restore(tmp_path / "bad", tmp_path / "home", passphrase)
        assert refused.value.code.code == "NOD-07"
        assert {path.name for path in tmp_path.iterdir()} == {"backup", "bad"}, "nothing is left behind"


def test_nothing_is_restored_or_written_over_what_is_there(config: NodeConfig, tmp_path: Path):
    made = create(config, tmp_path / "backup")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "file").write_bytes(b"precious")
    with pytest.raises(OperatorError) as refused:
        restore(made.file, tmp_path / "home")
    assert refused.value.code.code == "NOD-08"
    assert (tmp_path / "home" / "file").read_bytes() == b"precious"
    with pytest.raises(OperatorError) as refused:
        create(config, tmp_path / "backup")
    assert refused.value.code.exit_code == EXIT_USAGE and "name another --out" in refused.value.next_step
    (tmp_path / "empty").mkdir()
    restore(made.file, tmp_path / "empty")


def test_a_home_that_is_in_use_without_a_socket_is_not_backed_up(config: NodeConfig, tmp_path: Path):
    lock = FolderLock(config.home)
    with pytest.raises(OperatorError) as refused:
        create(config, tmp_path / "backup")
    lock.release()
    assert refused.value.code.code == "STO-01" and not list(tmp_path.iterdir())


def test_a_pool_on_a_disk_of_its_own_is_restored_there(config: NodeConfig, tmp_path: Path):
    home, pool = tmp_path / "node", tmp_path / "big" / "pool"
    shutil.copytree(config.home, home)
    shutil.move(home / "pool", pool)
    text = (home / "chainnode.toml").read_text()
    (home / "chainnode.toml").write_text(text.replace('# folder = "pool"', f'folder = "{pool}"'))
    made = create(load_config(home), tmp_path / "backup")
    for allowed, code in ((False, "NOD-11"), (True, "NOD-08")):
        with pytest.raises(OperatorError) as refused:
            restore(made.file, tmp_path / "new", allow_outside=allowed)
        assert refused.value.code.code == code and str(pool) in refused.value.what
        assert len(list((pool / "objects").iterdir())) == len(OBJECTS)
    shutil.rmtree(pool)
    (tmp_path / "bad").write_bytes(made.file.read_bytes()[:-1])
    with pytest.raises(OperatorError):
        restore(tmp_path / "bad", tmp_path / "new", allow_outside=True)
    assert not pool.exists() and not (tmp_path / "new").exists()
    restore(made.file, tmp_path / "new", allow_outside=True)
    assert len(list((pool / "objects").iterdir())) == len(OBJECTS)
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"chainnode.toml", "genesis.cbor", "keystore.key", "steward.key", "store", "trustee.key"}


def test_a_dangling_link_under_the_backups_name_is_left_alone(config: NodeConfig, tmp_path: Path):
    (tmp_path / "backup").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OperatorError) as refused:
        create(config, tmp_path / "backup")
    assert refused.value.code.exit_code == EXIT_USAGE
    assert [path.name for path in tmp_path.iterdir()] == ["backup"] and (tmp_path / "backup").is_symlink()


def test_a_file_under_another_backups_working_name_is_left_alone(config: NodeConfig, tmp_path: Path):
    (tmp_path / ".backup.part").write_bytes(b"precious")
    create(config, tmp_path / "backup")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".backup.part", "backup"]
    assert (tmp_path / ".backup.part").read_bytes() == b"precious"


@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
def test_ctrl_c_ends_a_backup_with_130_and_leaves_nothing(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, running: bool
):
    home = request.getfixturevalue("hospital" if running else "config").home
    told: list[int] = []
    # Whoever runs the tests may ignore it, as pytest's worker processes do.
    before = signal(SIGINT, default_int_handler)
    request.addfinalizer(lambda: signal(SIGINT, before))

    def interrupt(_: object, done: int) -> None:
        told.append(done)
        raise_signal(SIGINT)

    monkeypatch.setattr("chainnode.cli.commands.backup._Progress.bytes", interrupt)
    out = tmp_path / "backup"
    assert run(["backup", "create", "--home", str(home), "--out", str(out)]) == EXIT_INTERRUPTED
    assert len(told) == 1, "it does not go on to the end first"
    assert not list(tmp_path.iterdir())
