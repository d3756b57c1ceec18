"""One process per folder."""

import os
import pwd
import subprocess
import sys

import pytest

from chainnode.store.lock import FolderLock
from genesis.errors import EXIT_ENVIRONMENT, EXIT_IN_USE, OperatorError


def test_a_second_lock_is_refused_and_names_the_holder(tmp_path):
    lock = FolderLock(tmp_path)
    with pytest.raises(OperatorError, match=f"STO-01.*in use by the process {os.getpid()}") as caught:
        FolderLock(tmp_path)
    assert caught.value.code.exit_code == EXIT_IN_USE
    lock.release()
    FolderLock(tmp_path).release()


def test_another_processs_lock_is_refused_and_ends_with_it(tmp_path):
    script = (
        "import sys, pathlib; from chainnode.store.lock import FolderLock; "
        "lock = FolderLock(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(OperatorError, match=f"by the process {holder.pid}"):
            FolderLock(tmp_path)
        holder.kill()
    FolderLock(tmp_path).release()


def test_a_folder_that_is_not_there_is_the_operators_error(tmp_path):
    with pytest.raises(OperatorError, match="STO-04"):
        FolderLock(tmp_path / "none")


@pytest.mark.parametrize(("owner", "named"), [(0, "root"), (1_999_999_999, "'#1999999999'")])
def test_another_users_folder_is_left_alone_and_its_owner_named(tmp_path, monkeypatch, owner, named):
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    real, home = tmp_path.stat(), tmp_path / "a b"
    home.mkdir()
    if real.st_uid == 0:
        os.chown(home, owner, -1)
    elif owner != 0:
        pytest.skip("only root gives a folder to nobody")
    else:
        named = pwd.getpwuid(real.st_uid).pw_name
    with pytest.raises(OperatorError) as caught:
        FolderLock(home)
    assert (caught.value.code.code, caught.value.code.exit_code) == ("STO-09", EXIT_ENVIRONMENT)
    assert caught.value.next_step.startswith(
        f"sudo -u {named} chainnode run --home '{home}'  # or: systemctl"
    )
    assert list(home.iterdir()) == []
