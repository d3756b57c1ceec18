"""Fixtures of the ledger's tests."""

import pytest

from chainnode.ledger import receipt as receipt_module
from chainnode.ledger.evidence import VerificationError, examine


@pytest.fixture
def forger(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forger's node does not check its own decisions before it makes a receipt of them."""

    def careless(*arguments: object, **named: object) -> None:
        try:
            examine(*arguments, **named)  # type: ignore[arg-type]
        except VerificationError:
            return

    monkeypatch.setattr(receipt_module, "examine", careless)
