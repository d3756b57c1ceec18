"""What stops a delivery after the decision: revocation, withdrawal, expiry, an old or missing certificate."""

import pytest

from chainnode.ledger.payloads import Barrier
from chainnode.net.wire import Frame, ObjectChunk, ObjectMissing, ObjectRequest, PartDelivery
from chainnode.node.courier import RESEND_MS, STANDS_MS
from chainnode.node.freshness import AGAIN_MS, FRESH_MS
from tests.ledger.scene import DAY_MS
from tests.ledger.world import id16
from tests.node.town import REQUESTER, Town


def one_release(*objects: tuple[str, str], frame_bytes: int = 1_048_576) -> tuple[Town, bytes]:
    town = Town(frame_bytes=frame_bytes)
    town.provide(*objects)
    return town, town.released(*(name for name, _ in objects))


@pytest.mark.parametrize("stop", ["revocation", "withdrawal", "expiry"])
async def test_nothing_leaves_and_no_receipt_is_filed_after(stop: str):
    town, request = one_release(("a1", "ada"))
    if stop == "revocation":
        town.revoke("ada")
    elif stop == "withdrawal":
        town.withdraw(request)
    else:
        town.clock.pass_ms(DAY_MS)
        town.enrol("bob", 1)
    await town.settle()
    assert not town.frames and not town.receipts(request)
    assert not town.hospitals[0].courier.due
    assert town.hospitals[0].log.said("release no longer stands, nothing sent") == 1


async def test_a_revocation_keeps_back_the_patients_own_objects_alone():
    town, request = one_release(("a1", "ada"), ("b1", "bob"))
    town.revoke("ada")
    await town.settle()
    [delivery] = town.sent(PartDelivery)
    assert {part.object_id for part in delivery.parts} == {id16("b1")}
    opened = await town.opened(request)
    assert opened[id16("a1")] == ("parts-missing", b"") and opened[id16("b1")][0] == ""


async def test_a_revocation_stops_the_frames_behind_it():
    names = [(f"a{number}", "ada") for number in range(40)]
    town, _ = one_release(*names, frame_bytes=65_536)

    def revoke_at_first(by: int, to: int, frame: Frame) -> bool:
        if isinstance(frame, PartDelivery) and len(town.sent(PartDelivery)) == 1:
            town.revoke("ada")
        return True

    town.taps = [revoke_at_first]
    await town.settle()
    assert len(town.sent(PartDelivery)) == 1
    assert not town.sent(PartDelivery)[0].last


async def test_a_revocation_stops_a_ciphertext_on_its_way():
    town, _ = one_release(("a1", "ada"), frame_bytes=65_536)
    town.provide(("c1", "cyd"), size_bytes=200_000)
    request = town.released("c1", label="p2")
    chunks = 0

    def revoke_at_second(by: int, to: int, frame: Frame) -> bool:
        nonlocal chunks
        chunks += isinstance(frame, ObjectChunk) and frame.object_id == id16("c1")
        if chunks == 2:
            town.revoke("cyd")
        return True

    town.taps = [revoke_at_second]
    await town.settle()
    assert chunks == 2
    assert ObjectMissing(id16("c1")) in town.sent(ObjectMissing)
    assert (await town.opened(request))[id16("c1")] == ("object-missing", b"")


async def test_a_clock_that_is_ahead_for_a_while_gives_no_release_up():
    town, request = one_release(("a1", "ada"))
    town.clock.wall_ms += 2 * DAY_MS
    await town.settle()
    assert not town.frames and request in town.hospitals[0].courier.due
    town.clock.wall_ms -= 2 * DAY_MS
    town.clock.pass_ms(RESEND_MS)
    await town.settle()
    assert town.receipts(request) == [("provider", 0, 3), ("requester", 3, 0)]


async def test_an_expiry_on_an_idle_chain_is_seen_by_the_clock():
    town = Town()
    town.provide(("a1", "ada"))
    request = town.apply("a1", expires_in_ms=FRESH_MS // 2)
    town.grant_all(request, "a1")
    town.release(request)
    courier, height = town.hospitals[0].courier, town.chain.height
    await courier.serve(REQUESTER, ObjectRequest(request, id16("a1")))
    assert town.sent(ObjectChunk) and not town.sent(ObjectMissing)
    town.clock.pass_ms(FRESH_MS // 2)
    await courier.serve(REQUESTER, ObjectRequest(request, id16("a1")))
    assert len(town.sent(ObjectMissing)) == 1
    await town.settle()
    assert not town.sent(PartDelivery) and town.chain.height == height


async def test_an_old_certificate_is_renewed_by_one_barrier_before_anything_leaves():
    town, request = one_release(("a1", "ada"))
    town.clock.pass_ms(FRESH_MS + 1)
    height = town.chain.height
    barriers: list[int] = []
    town.taps = [lambda by, to, frame: bool(barriers.append(town.chain.height)) or True]
    await town.settle()
    assert barriers[0] == height + 1, "a block was made before the first frame"
    assert town.receipts(request) == [("provider", 0, 3), ("requester", 3, 0)]


async def test_no_barrier_is_made_where_there_is_nothing_to_send_or_nobody_to_take_it():
    """Else an absent requester would have its providers make blocks for as long as it is away."""
    town, _ = one_release(("a1", "ada"))
    town.provide(("b1", "bob"))
    request = town.apply("b1", label="p2")
    town.grant_patient(request, "bob", "b1")
    town.grant_hospital(request, 0, "b1", parts=False)
    town.release(request, "p2")
    town.down = {REQUESTER}
    height = town.chain.height
    for _ in range(3):
        town.clock.pass_ms(FRESH_MS + 1)
        await town.settle()
    assert town.chain.height == height
    town.down = set()
    await town.settle()
    assert town.chain.height == height + 3, "a barrier and two receipts"


async def test_a_provider_that_is_cut_off_delivers_nothing_until_it_hears_of_the_chain_again():
    """Its newest certificate shows no revocation, for none has reached it."""
    town, request = one_release(("a1", "ada"))
    provider = town.hospitals[0]
    provider.cut_off, provider.executor.certified_height = True, town.chain.height
    town.clock.pass_ms(FRESH_MS + 1)
    await town.settle()
    assert not town.frames and request in provider.courier.due
    await provider.courier.serve(REQUESTER, ObjectRequest(request, id16("a1")))
    assert town.frames == [(0, REQUESTER, ObjectMissing(id16("a1")))]
    provider.cut_off, provider.executor.certified_height = False, None
    town.revoke("ada")
    town.clock.pass_ms(AGAIN_MS)
    await town.settle()
    assert len(town.frames) == 1 and not provider.courier.due


async def test_a_decision_that_has_no_certificate_yet_is_not_acted_on():
    town = Town()
    town.provide(("a1", "ada"))
    request = town.apply("a1")
    town.grant_all(request, "a1")
    town.release(request, certified=False)
    await town.settle()
    assert not town.frames and request in town.hospitals[0].courier.due
    await town.hospitals[0].courier.serve(REQUESTER, ObjectRequest(request, id16("a1")))
    assert not town.sent(ObjectChunk)
    for hospital in town.hospitals:
        hospital.executor.certified_height = None
    town.clock.pass_ms(STANDS_MS)
    await town.settle()
    assert len(town.receipts(request)) == 2


async def test_a_refusal_after_the_release_takes_it_back():
    town, request = one_release(("a1", "ada"))
    town.revoke("ada")
    assert town.release(request).outcome == "REFUSED"
    await town.settle()
    assert not town.frames and not town.hospitals[0].courier.due


async def test_a_revocation_between_deliveries_stops_the_next_one():
    town, request = one_release(("a1", "ada"))
    town.taps = [lambda by, to, frame: False]
    await town.settle()
    assert len(town.sent(PartDelivery)) == 1
    town.revoke("ada")
    town.taps = []
    town.clock.pass_ms(RESEND_MS)
    await town.settle()
    assert len(town.sent(PartDelivery)) == 1 and not town.receipts(request)


async def test_a_barrier_is_what_the_node_signs_for_itself():
    town, _ = one_release(("a1", "ada"))
    assert town.own(0, Barrier(0)) == ""
    assert town.own(0, Barrier(1)) == "not-permitted"
