"""One ceremony for the whole run; each module gets a copy of the consortium, on ports of its own."""

from pathlib import Path

import pytest

from tests.localnet.consortium import Consortium, clone, found


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    return found(tmp_path_factory.mktemp("e2e") / "t")


@pytest.fixture(scope="module")
def consortium(template: Consortium, tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    """Short names: a socket's path has 107 bytes at most."""
    folder: Path = tmp_path_factory.mktemp("e2e")
    return clone(template, folder / "n")
