"""Files that are written whole, or not at all, and are there after the power went."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from genesis import durable
from genesis.durable import write_whole

OLD, NEW = b"what stood there", b"what is to stand there"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(0o644)
    return path


def test_a_file_takes_the_others_place_with_its_own_mode_and_nothing_else_is_left(path: Path):
    write_whole(path, NEW, mode=0o600)
    assert path.read_bytes() == NEW and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["file"]


def test_the_content_is_synced_before_the_name_and_the_folder_after_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    said: list[tuple[str, bytes]] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        said.append((kind, path.read_bytes()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    write_whole(path, NEW, mode=0o600)
    assert said == [("file", OLD), ("folder", NEW)]


def test_a_disk_that_fails_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, NEW, mode=0o600)
    assert path.read_bytes() == OLD and [one.name for one in path.parent.iterdir()] == ["file"]


def test_a_name_that_is_taken_is_left_to_whose_it_is(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(durable, "token_hex", lambda _: "random")
    taken = path.with_name(".file.random.tmp")
    taken.symlink_to(path)
    with pytest.raises(FileExistsError):
        write_whole(path, NEW, mode=0o600)
    assert taken.is_symlink() and path.read_bytes() == OLD


def test_a_symbolic_link_is_replaced_and_not_followed(path: Path):
    link = path.with_name("link")
    link.symlink_to(path)
    write_whole(link, NEW, mode=0o600)
    assert not link.is_symlink() and link.read_bytes() == NEW and path.read_bytes() == OLD


def test_of_many_who_write_at_a_time_one_file_stands_there_whole(path: Path):
    contents = [bytes([number]) * 50_000 for number in range(8)]
    writers = [
        threading.Thread(target=write_whole, args=(path, one), kwargs={"mode": 0o600}) for one in contents
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in contents and [one.name for one in path.parent.iterdir()] == ["file"]
