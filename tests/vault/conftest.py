"""The interactive level costs next to nothing here; what the levels truly are, one test says."""

import pytest

from chainnode.vault import argon2id


@pytest.fixture(autouse=True)
def cheap_interactive_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(argon2id.LEVELS, "interactive", argon2id.Cost(1, 8_192))
