"""Opening what a node has on its machine: who else may look into it."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chainnode.node.config import load_config
from chainnode.node.opening import open_node
from genesis.private import private_folder
from tests.localnet.consortium import Consortium, found


@pytest.fixture(params=[0o000, 0o777], ids=["open", "shut"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    return found(tmp_path_factory.mktemp("o") / "n")


def loose(folder: Path) -> list[str]:
    """What others than the owner could open below a folder, and the folder."""
    return [str(path) for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]


def test_whatever_the_umask_everything_that_a_node_makes_is_the_owners_alone(
    consortium: Consortium, umask: int
):
    home = consortium.hospitals[0 if umask else 1].home
    with ExitStack() as closing:
        opened = open_node(load_config(home), closing)
        opened.store.local_write({b"row": b"value"})
        for store in (opened.pool.objects, opened.pool.wraps, opened.pool.recipients):
            store.put(bytes(16), b"bytes")
        made = [one for name in ("store", "pool") for one in loose(home / name)]
        assert made == []
        assert len(list((home / "store").rglob("*"))) > 12, "chain, local, rows and votes are there"
    assert os.umask(umask) == umask, "it is put back with the rest"


def test_every_folder_that_was_missing_is_private_and_none_that_was_there_changes(tmp_path: Path, umask: int):
    (tmp_path / "there").mkdir()
    (tmp_path / "there").chmod(0o755)
    private_folder(tmp_path / "there" / "a" / "b")
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "there", *(tmp_path / "there").rglob("*"))]
    assert modes == [0o755, 0o700, 0o700]
