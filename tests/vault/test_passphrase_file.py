import os
import threading
from pathlib import Path

import pytest

from chainnode.vault.files import MAX_PASSPHRASE_BYTES, read_passphrase_file
from genesis.errors import OperatorError


def written(tmp_path: Path, raw: bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "passphrase"
    path.write_bytes(raw)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("raw", "passphrase"),
    [
        (b"correct horse", b"correct horse"),
        (b"correct horse\n", b"correct horse"),
        (b"correct horse\r\n", b"correct horse"),
        (b"correct horse\n\n", b"correct horse\n"),
        (b" spaces stay \n", b" spaces stay "),
        (b"not utf-8 \xff\n", b"not utf-8 \xff"),
        (b"ends in CR\r", b"ends in CR\r"),
        (b"x" * MAX_PASSPHRASE_BYTES, b"x" * MAX_PASSPHRASE_BYTES),
    ],
)
def test_a_passphrase_is_the_file_without_one_line_end(tmp_path: Path, raw: bytes, passphrase: bytes) -> None:
    assert read_passphrase_file(written(tmp_path, raw)) == passphrase


@pytest.mark.parametrize("raw", [b"", b"\n", b"\r\n", b"x" * (MAX_PASSPHRASE_BYTES + 1)])
def test_an_empty_or_long_file_is_refused(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(OperatorError) as caught:
        read_passphrase_file(written(tmp_path, raw))
    assert caught.value.code.code == "KEY-07" and str(tmp_path) in caught.value.what


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError) as caught:
        read_passphrase_file(tmp_path / "none")
    assert caught.value.code.code == "KEY-07" and "none" in caught.value.what


@pytest.mark.parametrize(("mode", "warnings"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1), (0o644, 1)])
def test_a_file_that_others_may_read_is_warned_about(tmp_path: Path, mode: int, warnings: int) -> None:
    told: list[str] = []
    path = written(tmp_path, b"correct horse", mode)
    assert read_passphrase_file(path, warn=told.append) == b"correct horse"
    assert len(told) == warnings and all("chmod 600" in one and "horse" not in one for one in told)


def test_a_pipe_works_and_is_not_warned_about(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o644)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"correct horse\n",))
    writer.start()
    told: list[str] = []
    assert read_passphrase_file(pipe, warn=told.append) == b"correct horse" and told == []
    writer.join()
