"""What a hospital's sysadmin rests on, on real nodes: strong reads, evidence, the disk's reserve."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec import structs

from chainnode.cli.actions.base import build, submit
from chainnode.gateway.client import GatewayClient
from chainnode.ledger import keys
from chainnode.ledger.networkrecords import EquivocationRecord
from chainnode.ledger.payloads import AddDepartment
from chainnode.net.port import Channel
from chainnode.net.wire import Consensus
from chainnode.node.api import EvidenceView, Outcome
from chainnode.node.config import CONFIG_NAME
from chainnode.vault.keys import SigningKey
from chainnode.vault.keystore import NodeKeys
from consensus.codec import decode, encode
from consensus.messages import BlockVote, signed_bytes
from genesis.errors import OperatorError
from tests.demo.world import World
from tests.e2e.cli import chainnode
from tests.e2e.impostor import impostor
from tests.e2e.town import eventually, level, metrics_of, serve_metrics, town
from tests.localnet.consortium import PASSPHRASE, Consortium

pytestmark = pytest.mark.asyncio(loop_scope="module")

READERS = 60
LIAR = 3
MEASURED = 2
MB = 1_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(consortium: Consortium) -> AsyncIterator[World]:
    serve_metrics(consortium.hospitals[MEASURED])
    async with town(consortium) as made:
        yield made


async def add(world: World, member: int, name: str) -> int:
    """A department of that member, submitted through its own node; the height that was answered."""
    client = await world.client(member)
    payload = AddDepartment(member, name, SigningKey.generate().public)
    return (await submit(client, payload, world.stewards[member].signing)).height


async def test_a_strong_read_at_one_node_sees_what_another_has_answered(world: World) -> None:
    reader = await world.client(2)
    for number in range(6):
        height = await add(world, 0, f"seen-{number}")
        found = await reader.read(keys.department(0, f"seen-{number}"), strong=True)
        assert found.entries and found.stamp.height > height


async def test_many_strong_reads_at_a_time_share_few_barriers(world: World) -> None:
    before = (await level(world))[0].height
    reader = await world.client(1)
    stamps = await asyncio.gather(*(reader.read(keys.GENESIS, strong=True) for _ in range(READERS)))
    assert len(stamps) == READERS
    made = (await level(world))[0].height - before
    assert 1 <= made <= READERS // 4, f"{made} blocks for {READERS} readers"


async def test_a_member_that_says_two_things_is_convicted_on_every_node_and_on_the_chain(
    world: World, tmp_path: Path
) -> None:
    own = NodeKeys.open(world.hospitals[LIAR].home / "keystore.key", PASSPHRASE)
    world.nodes.stop(LIAR)
    world.forget_clients(LIAR)
    height = (await world.nodes.status(0)).height + 1
    async with impostor(world, LIAR, own.transport.seed, peers=(0,)) as liar:
        await liar.linked(0)
        for content in (b"1", b"2"):
            bare = BlockVote(0, height, content * 32, LIAR)
            vote = structs.replace(bare, signature=own.validator.sign(signed_bytes(bare, world.chain_id)))
            await liar.say(Consensus(encode(vote)), 0, channel=Channel.VOTES)
        found = [await _evidence(world, number) for number in (0, 1, 2)]
    assert {(one.id, one.member, one.slot) for one in found} == {(found[0].id, LIAR, height)}
    reader = await world.client(1)

    async def recorded() -> EquivocationRecord | None:
        key = keys.equivocation(LIAR, 0, "block-vote", height)
        entries = (await reader.read(key)).entries
        return decode(entries[0].value, EquivocationRecord, limit_bytes=4_096) if entries else None

    record = await eventually(recorded)
    assert record.member == LIAR and record.first < record.second
    file, home = tmp_path / "evidence", world.hospitals[2].home
    listed = await chainnode("evidence", "list", "--home", home, "--json")
    assert [one["slug"] for one in listed.data] == [world.hospitals[LIAR].id]
    exported = await chainnode("evidence", "export", listed.data[0]["id"], "--out", file, "--home", home)
    assert exported.exit_code == 0, exported
    proven = await chainnode("verify", file, "--genesis", world.consortium.genesis_file, "--json")
    assert proven.data["member"] == world.hospitals[LIAR].id
    world.nodes.start(LIAR)
    await world.nodes.ready(LIAR)


async def _evidence(world: World, number: int) -> EvidenceView:
    async with GatewayClient(world.hospitals[number].socket("sysadmin")) as client:

        async def kept() -> EvidenceView | None:
            return next(iter(await client.evidence()), None)

        return await eventually(kept)


async def test_below_the_disks_reserve_a_node_takes_nothing_in_and_consensus_goes_on(world: World) -> None:
    """The reserve is set above what is free: for the node it is the same as a disk that filled up."""
    hospital = world.hospitals[1]
    config = hospital.home / CONFIG_NAME
    plain = config.read_text()
    twice_mb = 2 * shutil.disk_usage(hospital.home).free // MB
    config.write_text(plain.replace("# reserve_mb = 512", f"reserve_mb = {twice_mb}"))
    await _restart(world, 1)
    client = await world.client(1)
    info = await client.info()
    refused = build(
        AddDepartment(1, "refused", SigningKey.generate().public), world.stewards[1].signing, info
    )
    with pytest.raises(OperatorError) as error:
        await client.submit(refused)
    assert error.value.code.code == "NOD-03" and error.value.code.exit_code == 7
    shown = await chainnode("status", "--home", hospital.home)
    assert "disk nearly full" in shown.stdout and shown.exit_code == 0
    height = await add(world, 0, "goes-on")
    found = await client.read(keys.department(0, "goes-on"), min_height=height)
    assert found.entries and (await world.nodes.status(1)).voting
    config.write_text(plain)
    await _restart(world, 1)
    taken = await (await world.client(1)).submit(refused)
    assert taken.outcome is Outcome.COMMITTED and taken.code == "ok"


async def test_a_node_whose_disk_is_nearly_full_stops_by_itself_and_cleanly(world: World) -> None:
    hospital = world.hospitals[1]
    config = hospital.home / CONFIG_NAME
    plain = config.read_text()
    far_mb = 20 * shutil.disk_usage(hospital.home).free // MB
    config.write_text(plain.replace("# reserve_mb = 512", f"reserve_mb = {min(far_mb, 100_000_000)}"))
    world.nodes.stop(1)
    world.forget_clients(1)
    world.nodes.start(1)
    assert await asyncio.to_thread(world.nodes.wait, 1) == 7
    log = world.nodes.log_file(hospital).read_text()
    assert "error[NOD-04]" in log and "Traceback" not in log
    config.write_text(plain)
    world.nodes.start(1)
    await world.nodes.ready(1)


async def test_a_nodes_metrics_are_served_where_the_configuration_says(world: World) -> None:
    height = await add(world, MEASURED, "counted")
    samples: dict[str, float] = {}

    async def scraped() -> bool:
        text = (await metrics_of(world.hospitals[MEASURED])).decode()
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        samples.update({name: float(value) for name, value in lines})
        return samples["chainnode_certified_height"] >= height

    await eventually(scraped)
    assert samples['chainnode_peer_up{peer="hospital-a"}'] == samples["chainnode_voting"] == 1
    assert samples["chainnode_quorum"] == 3
    assert samples['chainnode_transactions_total{result="ok"}'] >= 1
    assert samples["chainnode_commit_latency_seconds_count"] >= 1


async def _restart(world: World, number: int) -> None:
    world.nodes.stop(number)
    world.forget_clients(number)
    world.nodes.start(number)
    await world.nodes.ready(number)
