"""Four members, each on a host of its own, and a switch between them that the test commands."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.demo.world import World
from tests.e2e.conftest import template
from tests.e2e.load import Ledger
from tests.e2e.town import TAPPED, synthetic, town
from tests.localnet.consortium import Consortium, clone
from tests.realnet.lan import Lan, not_permitted, settle

__all__ = ["template"]

SEED = 77
PATIENTS = 4


@dataclass
class Field:
    """Running daemons, the network under them, and what clients were told."""

    lan: Lan
    world: World
    told: Ledger


@pytest.fixture(scope="module")
def consortium(template: Consortium, tmp_path_factory: pytest.TempPathFactory) -> Consortium:
    made = clone(template, tmp_path_factory.mktemp("lan") / "n")
    settle(made)
    return made


@pytest.fixture(scope="module")
def lan() -> Iterator[Lan]:
    why = not_permitted()
    if why:
        pytest.skip(why)
    with Lan(4, SEED) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(
    lan: Lan, consortium: Consortium, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Field]:
    bundles = synthetic(tmp_path_factory.mktemp("bundles"), PATIENTS)
    async with town(consortium, bundles, command=TAPPED, within=lan.within) as world:
        yield Field(lan, world, Ledger())
