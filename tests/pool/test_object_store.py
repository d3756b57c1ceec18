import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from objects import make
from obstore.exceptions import GenericError

from chainnode.pool.errors import ObjectError
from chainnode.pool.objectstore import ObjectStore
from chainnode.pool.pool import Pool
from genesis.errors import OperatorError

ID, OTHER_ID = b"o" * 16, b"p" * 16


def rule_of(action: object) -> str:
    with pytest.raises(ObjectError) as caught:
        action()  # type: ignore[operator]
    return caught.value.rule


def error_of(action: object) -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        action()  # type: ignore[operator]
    error = caught.value
    assert error.what and error.unchanged and error.next_step
    return error


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(params=["folder", "file-url", "memory-url"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    location = {
        "folder": str(tmp_path / "a b"),
        "file-url": (tmp_path / "a b").as_uri(),
        "memory-url": "memory:///",
    }[request.param]
    return ObjectStore.open(location)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a tiny tmpfs needs root and the permission to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_what_was_put_is_there_until_it_is_deleted(store: ObjectStore) -> None:
    assert not store.exists(ID)
    assert store.put(ID, b"bytes") is True
    assert store.exists(ID) and store.get(ID) == b"bytes" and not store.exists(OTHER_ID)
    assert store.delete(ID) is True
    assert not store.exists(ID) and rule_of(lambda: store.get(ID)) == "object-missing"
    assert store.delete(ID) is False


def test_the_same_bytes_may_be_put_again_and_others_not(store: ObjectStore) -> None:
    store.put(ID, b"bytes")
    assert store.put(ID, b"bytes") is False
    assert rule_of(lambda: store.put(ID, b"other")) == "object-exists"
    assert store.get(ID) == b"bytes"


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.put(ID, b"")
    assert store.exists(ID) and store.get(ID) == b""


async def test_the_async_twins_do_the_same(store: ObjectStore) -> None:
    sealed = make(b"plaintext")
    anchored = {"root": sealed.object.root, "length_bytes": sealed.object.length_bytes}
    assert await store.put_async(ID, sealed.object.ciphertext) is True
    assert await store.exists_async(ID)
    assert await store.get_async(ID) == await store.get_checked_async(ID, **anchored)
    assert await store.delete_async(ID) is True
    with pytest.raises(ObjectError):
        await store.get_async(ID)


def test_a_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    ObjectStore.open(str(tmp_path / "pool"))
    assert stat.S_IMODE((tmp_path / "pool").stat().st_mode) == 0o700


def test_what_was_put_outlives_the_store(tmp_path: Path) -> None:
    ObjectStore.open(str(tmp_path / "pool")).put(ID, b"bytes")
    assert ObjectStore.open(str(tmp_path / "pool")).get(ID) == b"bytes"
    assert files(tmp_path) == [f"pool/{ID.hex()}"]


def test_what_a_killed_writer_left_beside_a_name_is_swept_at_opening(tmp_path: Path) -> None:
    ObjectStore.open(str(tmp_path)).put(ID, b"bytes")
    (tmp_path / f"{OTHER_ID.hex()}#1").write_bytes(b"half")
    store = ObjectStore.open(str(tmp_path))
    assert files(tmp_path) == [ID.hex()] and store.get(ID) == b"bytes"


def test_file_and_folder_are_flushed_before_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    real = os.fsync

    def recorded(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    store = ObjectStore.open(str(tmp_path / "pool"))
    monkeypatch.setattr(os, "fsync", recorded)
    store.put(ID, b"bytes")
    assert flushed == [ID.hex(), "pool"]
    store.delete(ID)
    assert flushed[2:] == ["pool"]


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (lambda body: body[:-1], "length-mismatch"),
        (lambda body: b"", "length-mismatch"),
        (lambda body: body + b"\x00", "length-mismatch"),
        (lambda body: body[1:] + body[:1], "root-mismatch"),
        (lambda body: bytes(len(body)), "root-mismatch"),
    ],
    ids=["truncated", "emptied", "longer", "shifted", "zeroed"],
)
def test_a_ciphertext_damaged_on_disk_is_refused(tmp_path: Path, damage: object, rule: str) -> None:
    sealed, store = make(b"plaintext" * 100), ObjectStore.open(str(tmp_path))
    store.put(ID, sealed.object.ciphertext)
    anchored = {"root": sealed.object.root, "length_bytes": sealed.object.length_bytes}
    assert store.get_checked(ID, **anchored) == sealed.object.ciphertext
    (tmp_path / ID.hex()).write_bytes(damage(sealed.object.ciphertext))  # type: ignore[operator]
    assert rule_of(lambda: store.get_checked(ID, **anchored)) == rule


def test_ciphertexts_swapped_on_disk_are_refused(tmp_path: Path) -> None:
    first, second, store = make(b"one" * 99), make(b"two" * 99, OTHER_ID), ObjectStore.open(str(tmp_path))
    store.put(ID, second.object.ciphertext)
    store.put(OTHER_ID, first.object.ciphertext)
    for sealed in (first, second):
        anchored = {"root": sealed.object.root, "length_bytes": sealed.object.length_bytes}
        assert (
            rule_of(lambda s=sealed, a=anchored: store.get_checked(s.object.object_id, **a))
            == "root-mismatch"
        )


def test_more_than_the_limit_is_neither_stored_nor_read(tmp_path: Path) -> None:
    ObjectStore.open(str(tmp_path)).put(ID, bytes(101))
    store = ObjectStore.open(str(tmp_path), limit_bytes=100)
    assert rule_of(lambda: store.get(ID)) == "object-too-large"
    assert rule_of(lambda: store.put(OTHER_ID, bytes(101))) == "object-too-large"
    assert not store.exists(OTHER_ID)


def test_a_location_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for location in (str(tmp_path / "file"), str(tmp_path / "file" / "below"), "gopher://host/pool"):
        error = error_of(lambda location=location: ObjectStore.open(location))
        assert error.code.code == "POL-03" and location in error.what


def test_a_full_disk_is_told_and_leaves_nothing_half_written(small_disk: Path) -> None:
    store = ObjectStore.open(str(small_disk / "pool"))
    store.put(ID, bytes(1_000))
    error = error_of(lambda: store.put(OTHER_ID, bytes(2 << 20)))
    assert error.code.code == "POL-01" and "disk full" in error.what
    assert files(small_disk) == [f"pool/{ID.hex()}"] and store.get(ID) == bytes(1_000)


def test_a_disk_that_fills_up_within_an_object_leaves_none_of_it(small_disk: Path) -> None:
    pool, sealed = Pool.open(small_disk / "pool"), make(bytes(2 << 20))
    assert error_of(lambda: pool.store(sealed.object)).code.code == "POL-01"
    assert files(small_disk) == []


def test_a_full_disk_does_not_cost_an_object_stored_before(small_disk: Path) -> None:
    pool, sealed = Pool.open(small_disk / "pool"), make(bytes(600_000))
    pool.store(sealed.object)
    before = files(small_disk)
    with (small_disk / "filler").open("wb", buffering=0) as filler:
        with pytest.raises(OSError):
            while True:
                filler.write(bytes(4_096))
        # Room for the small wraps, none for the ciphertext.
        filler.truncate(filler.tell() - 65_536)
    assert error_of(lambda: pool.store(sealed.object)).code.code == "POL-01"
    assert files(small_disk / "pool") == [name.removeprefix("pool/") for name in before]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_found_full_while_flushing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    store = ObjectStore.open(str(tmp_path))

    def full(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    assert error_of(lambda: store.put(ID, b"bytes")).code.code == "POL-01"
    assert files(tmp_path) == []


def test_a_store_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore.open("memory:///")

    def silent(*_: object, **__: object) -> None:
        raise GenericError("Generic S3 error: operation timed out\n\nDebug source: ...")

    for name in ("put", "get", "head"):
        monkeypatch.setattr(obstore, name, silent)
    for action in (
        lambda: store.put(ID, b"bytes"),
        lambda: store.get(ID),
        lambda: store.exists(ID),
        lambda: store.delete(ID),
    ):
        error = error_of(action)
        assert error.code.code == "POL-02" and error.what.endswith("operation timed out")


def test_a_store_that_refuses_to_delete_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore.open("memory:///")
    store.put(ID, b"bytes")

    def refused(*_: object) -> None:
        raise GenericError("permission denied")

    monkeypatch.setattr(obstore, "delete", refused)
    assert error_of(lambda: store.delete(ID)).code.code == "POL-02"
