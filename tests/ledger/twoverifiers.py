"""The ledger's verifier and the single file, side by side; the file is loaded from its path."""

import importlib.util
from functools import cache, lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from chainnode.ledger.evidence import VerificationError
from chainnode.ledger.founding import Founding
from chainnode.ledger.verification import verify_receipt
from genesis.keys import verify

FILE = Path(__file__).parents[2] / "chainnode" / "verify_receipt.py"

remembered = lru_cache(maxsize=1 << 16)(verify)
"""A mutation leaves most signatures as they were: each is checked once."""


@cache
def single_file() -> Any:
    """The module, each signature checked once."""
    spec = importlib.util.spec_from_file_location("somewhere_else", FILE)
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.signed = lru_cache(maxsize=1 << 16)(module.signed)
    return module


def of_the_ledger(data: bytes, founding: Founding) -> str:
    """The rule that the receipt breaks for chainnode.ledger.verification, "" where it verifies."""
    try:
        verify_receipt(data, founding, verify=remembered)
    except VerificationError as error:
        return error.rule
    return ""


def of_the_file(data: bytes, genesis: bytes) -> str:
    """The check that fails in the single file, "" where the receipt verifies."""
    return _check_of_the_file(data, *_founders(genesis))


def of_the_file_under(data: bytes, founding: Founding) -> str:
    """The same for a founding that no file holds."""
    listed = single_file().TYPES["Listed"]
    registrars = tuple(listed(one.id, one.name, one.operator, one.key) for one in founding.registrars)
    genesis = SimpleNamespace(network="a-network", members=founding.members, registrars=registrars)
    return _check_of_the_file(data, genesis, founding.chain_id)


def _check_of_the_file(data: bytes, genesis: Any, chain: bytes) -> str:
    module = single_file()
    try:
        module.prove(genesis, chain, data)
    except module.Refused as refused:
        return str(refused).split(":")[0]
    return ""


@cache
def _founders(genesis: bytes) -> Any:
    return single_file().read_genesis(genesis)
