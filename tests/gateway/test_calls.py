"""Every call goes to the node and comes back as it was."""

import pytest

from chainnode.node.api import AnchorOrder, NotFound, ObjectUpload, Outcome, Part, ReadTimeout, Refused
from tests.gateway.fake import BLOCK, EVIDENCE, INFO, RELEASED, STAMP, STATUS, WHY


async def test_status_and_info_come_back_whole(sysadmin):
    assert await sysadmin.status() == STATUS
    assert await sysadmin.info() == INFO


async def test_why_and_evidence_come_back_whole(sysadmin):
    assert await sysadmin.why() == WHY
    assert await sysadmin.evidence() == EVIDENCE
    assert await sysadmin.evidence_file(EVIDENCE[0].id) == b"f" * 600_000
    with pytest.raises(NotFound):
        await sysadmin.evidence_file(b"x" * 32)
    with pytest.raises(Refused):
        await sysadmin.evidence_file(b"short")


async def test_a_backup_comes_piece_by_piece(sysadmin, steward, node):
    pieces = [piece async for piece in sysadmin.backup(objects=False)]
    assert [piece[0] for piece in pieces] == list(range(40)) and node.calls == [("backup", False)]
    with pytest.raises(Refused) as refused:
        async for _ in steward.backup():
            pass
    assert refused.value.rule == "role-not-allowed"


async def test_a_strong_read_says_so(steward, node):
    await steward.read(b"key", strong=True, timeout_ms=7)
    await steward.read(b"key", timeout_ms=7)
    assert [call[5] for call in node.calls] == [True, False]


async def test_submit_carries_parts_and_the_nodes_signed_statement(steward, node):
    result = await steward.submit(b"garbage", [Part(b"o" * 16, b"sealed")], timeout_ms=1_234)
    assert (result.outcome, result.code, result.statement) == (Outcome.TURNED_AWAY, "malformed", b"signed")
    assert node.calls == [("submit", b"garbage", (Part(b"o" * 16, b"sealed"),), "steward", 1_234)]


async def test_a_timeout_longer_than_the_node_waits_is_cut(steward, node):
    await steward.submit(b"garbage", timeout_ms=10_000_000)
    assert node.calls[0][-1] == 120_000


async def test_read_returns_entries_in_order_with_their_stamp(steward):
    result = await steward.read(b"prefix", prefix=True)
    assert result.stamp == STAMP
    assert [entry.key for entry in result.entries] == [b"%d" % i for i in range(5_000)]


async def test_read_above_the_height_raises_read_timeout(steward, node):
    with pytest.raises(ReadTimeout) as caught:
        await steward.read(b"key", min_height=8, timeout_ms=1)
    assert caught.value.rule == "height-not-reached"
    node.height = 8
    assert (await steward.read(b"key", min_height=8)).stamp == STAMP


async def test_lookups_come_back(steward):
    assert await steward.block(7) == BLOCK
    assert await steward.transaction(b"t" * 32) == (7, "ok", b"signed transaction")
    assert await steward.object(b"o" * 16) == (b"pointer", b"batch", True)
    assert [block async for block in steward.blocks(1)] == [BLOCK]
    assert len(await steward.receipt(b"r" * 16)) == 600_000


async def test_events_stream_until_the_client_leaves_and_the_nodes_generator_is_closed(steward, node):
    stream = steward.events(3)
    got = [await anext(stream) for _ in range(5)]
    await stream.aclose()
    assert [event.index for event in got] == [1, 2, 3, 4, 5]
    await node.closed.wait()


async def test_proofs_come_back_whole(sysadmin, node):
    assert await sysadmin.state_proof([b"k", b"l"], min_height=3, strong=True) == b"s" * 600_000
    assert node.calls == [("state-proof", (b"k", b"l"), 3, True)]
    with pytest.raises(Refused, match="request-malformed"):
        await sysadmin.state_proof([b"k"] * 65)
    items = [item async for item in sysadmin.stretch(1, 3)]
    assert items == [b"\x01" * 600_000, b"\x02" * 3, b"\x03" * 600_000, b"whole"]
    assert [item async for item in sysadmin.stretch(2, 2, headers_only=True)] == [b"\x02" * 3, b"headers"]


async def test_intake_calls_come_back(steward, node):
    yes, no = b"1" * 32, b"0" * 32
    assert await steward.intake_key("cardiology") == b"k" * 32
    assert await steward.resolve_subject([yes]) == b"s" * 16
    assert await steward.resolve_subject([no]) is None
    assert await steward.seen([yes, no]) == (True, False)
    await steward.link_subject([yes], b"h" * 16)
    order = AnchorOrder("cardiology", "main", b"policy", (b"p1", b"p2"), b"key", b"d" * 32, (yes,))
    assert (await steward.anchor(order)).height == 8
    assert node.calls == [("link", (yes,), b"h" * 16), ("anchor", order, "steward")]


async def test_an_object_of_several_chunks_arrives_whole(steward, node):
    upload = ObjectUpload(b"o" * 16, bytes(range(256)) * 4_000, b"wrap", b"recipients")
    await steward.put_object(upload)
    assert node.stored == {b"o" * 16: upload}


async def test_halves_and_delivery_come_back(steward, researcher):
    assert len(await steward.halves(b"r" * 16, role="head", department="cardiology")) == 1_000
    with pytest.raises(Refused) as caught:
        await steward.halves(b"r" * 16, role="janitor")
    assert caught.value.rule == "unknown-role"
    assert (await researcher.delivery(b"r" * 16)) == {"authorised": 3, "parts": 2, "objects": 1}


async def test_fetch_yields_large_empty_and_small_objects_whole(researcher):
    assert tuple([item async for item in researcher.fetch(b"r" * 16, b"private")]) == RELEASED
