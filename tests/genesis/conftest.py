"""Fixtures of the genesis tests."""

import pytest

from genesis.request import JoinRequest
from tests.genesis.consortium import consortium, signed_file, unsigned_file


@pytest.fixture(scope="session")
def requests() -> list[JoinRequest]:
    return consortium()


@pytest.fixture(scope="session")
def unsigned(requests: list[JoinRequest]) -> bytes:
    return unsigned_file(requests)


@pytest.fixture(scope="session")
def signed(unsigned: bytes) -> bytes:
    return signed_file(unsigned)
