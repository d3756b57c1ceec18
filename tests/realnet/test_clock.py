"""Real nodes whose wall clocks are stepped by an hour: a backup's, then the primary's, then right again."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from chainnode.cli.actions.departments import add_department
from chainnode.node.api import ReadTimeout
from chainnode.vault.keys import SigningKey
from tests.demo.world import World
from tests.e2e.conftest import consortium
from tests.e2e.impostor import Log
from tests.e2e.town import TAPPED, eventually, level, town
from tests.localnet.consortium import Consortium
from tests.realnet.testimony import Testimony

__all__ = ["consortium"]

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR_S = 3_600
AHEAD, BEHIND = "60 min ahead of", "60 min behind"
SOURCE = Path(__file__).with_name("clockstep.c")
MEMBERS = range(4)
LONG_MS, SHORT_MS = 60_000, 200


@dataclass
class Clocks:
    """Four daemons, each with a wall clock of its own that `step` sets."""

    folder: Path
    world: World = field(init=False)
    added: int = 0

    def under(self, number: int) -> tuple[str, ...]:
        """What stands before a daemon's command: `env` becomes it."""
        library, offset = self.folder / "clockstep.so", self.folder / f"offset-{number}"
        return ("env", f"LD_PRELOAD={library}", f"CLOCKSTEP_FILE={offset}")

    def step(self, number: int, seconds: int) -> None:
        """From now on the node's wall clock is off by so much; whoever reads it sees one or the other."""
        fresh = self.folder / "fresh"
        fresh.write_text(f"{seconds}\n")
        fresh.replace(self.folder / f"offset-{number}")

    async def alarms_say(self, number: int, words: str) -> None:
        async def said() -> bool:
            return any(words in alarm for alarm in (await self.world.nodes.status(number)).alarms)

        await eventually(said)

    async def named_by_all(self, number: int, side: str) -> None:
        """The node itself says that its clock is off, and each peer says whose."""
        await self.alarms_say(number, f"this node's clock is {side} the others'")
        for peer in MEMBERS:
            if peer != number:
                await self.alarms_say(peer, f"member {number}'s is {side} this node's")

    async def commits_through(self, *numbers: int) -> None:
        for number in numbers:
            self.added += 1
            client, steward = await self.world.client(number), self.world.stewards[number]
            head = SigningKey.generate().public
            assert (await add_department(client, steward, head, f"d-{self.added}")).code == "ok"

    async def waits_hold(self, number: int, seconds: int) -> None:
        """Step the node's clock while a client waits there: that ends with the block, and a wait for what
        does not come still ends in time."""
        client = await self.world.client(number)
        height = (await self.world.nodes.status(number)).height
        waiting = asyncio.create_task(client.read(b"no such key", min_height=height + 1, timeout_ms=LONG_MS))
        self.step(number, seconds)
        with pytest.raises(ReadTimeout):
            await client.read(b"no such key", min_height=height + 1_000, timeout_ms=SHORT_MS)
        await self.commits_through((number + 1) % 4)
        assert (await waiting).stamp.height > height
        assert (await client.read(b"no such key", strong=True, timeout_ms=LONG_MS)).entries == ()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clocks(consortium: Consortium, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clocks]:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is missing: it builds the clock that is stepped")
    made = Clocks(tmp_path_factory.mktemp("clocks"))
    build = [compiler, "-shared", "-fPIC", "-O2", "-o", str(made.folder / "clockstep.so"), str(SOURCE)]
    await asyncio.to_thread(subprocess.run, build, check=True)
    async with town(consortium, command=TAPPED, within=made.under) as made.world:
        yield made


@pytest.mark.parametrize(("seconds", "side"), [(HOUR_S, AHEAD), (-HOUR_S, BEHIND)])
async def test_a_backup_an_hour_off_is_named_by_all_and_follows(
    clocks: Clocks, seconds: int, side: str
) -> None:
    primary = (await level(clocks.world))[0].primary
    off, other = (primary + 1) % 4, (primary + 2) % 4
    await clocks.waits_hold(off, seconds)
    await clocks.named_by_all(off, side)
    await clocks.commits_through(off, other)
    reports = await level(clocks.world)
    assert all(one.voting for one in reports)
    clocks.step(off, 0)


async def test_a_primary_that_steps_an_hour_ahead_is_left_and_named(clocks: Clocks) -> None:
    before = (await level(clocks.world))[0]
    off, other = before.primary, (before.primary + 2) % 4
    await clocks.waits_hold(off, HOUR_S)
    await clocks.named_by_all(off, AHEAD)
    await clocks.commits_through(other, off)
    reports = await level(clocks.world)
    assert all(one.view > before.view and one.primary != off for one in reports)
    told_ms = (await (await clocks.world.client(other)).info()).time_ms
    assert told_ms < (time.time() + HOUR_S / 2) * 1_000, "no block carries the time that was off"


async def test_clocks_that_are_set_right_are_no_trouble_and_their_votes_count(clocks: Clocks) -> None:
    primary = (await level(clocks.world))[0].primary
    [off, spare, _] = [number for number in MEMBERS if number != primary]
    log = Log(clocks.world.nodes.log_file(clocks.world.hospitals[off]))
    for number in MEMBERS:
        clocks.step(number, -HOUR_S if number == off else 0)
    await clocks.named_by_all(off, BEHIND)
    clocks.step(off, 0)

    async def quiet() -> bool:
        reports = [await clocks.world.nodes.status(number) for number in MEMBERS]
        return not any("clock" in alarm for report in reports for alarm in report.alarms)

    await eventually(quiet)
    await log.shows(event="clocks agree again")
    await level(clocks.world)
    clocks.world.nodes.stop(spare)
    clocks.world.forget_clients(spare)
    await clocks.commits_through(off, primary)
    await level(clocks.world, *(number for number in MEMBERS if number != spare))


async def test_nobody_signed_two_things_for_one_place_in_all_of_this(clocks: Clocks) -> None:
    heard = Testimony(clocks.world.chain_id).read(one.home for one in clocks.world.hospitals)
    assert heard.messages > 100
    assert not heard.conflicts
