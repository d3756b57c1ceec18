"""From an authorised release to the plain text at the requester, hospital to hospital."""

from chainnode.net.wire import ObjectChunk, ObjectRequest, PartAck, PartDelivery
from chainnode.node.courier import RESEND_MS
from chainnode.node.receiver import ASK_AGAIN_MS
from tests.ledger.world import id16
from tests.node.town import REQUESTER, Town


def plain(town: Town, *names: str) -> dict[bytes, tuple[str, bytes]]:
    return {id16(name): ("", town.items[name].plaintext) for name in names}


async def test_what_both_have_signed_arrives_and_opens_for_the_project_alone():
    town = Town()
    town.provide(("a1", "ada"), ("b1", "bob"))
    request = town.released("a1", "b1")
    await town.settle()
    assert await town.opened(request) == plain(town, "a1", "b1")
    progress = await town.hospitals[REQUESTER].receiver.progress(request)
    assert progress == {"authorised": 2, "parts": 2, "objects": 2}
    assert {to for _, to, frame in town.frames if isinstance(frame, PartDelivery | ObjectChunk)} == {
        REQUESTER
    }


async def test_both_ends_file_a_receipt_once_and_nothing_is_due_or_awaited_then():
    town = Town()
    town.provide(("a1", "ada"))
    request = town.released("a1")
    await town.settle()
    assert town.receipts(request) == [("provider", 0, 3), ("requester", 3, 0)]
    provider, requester = town.hospitals[0], town.hospitals[REQUESTER]
    assert not provider.courier.due and not provider.courier._sent and not requester.receiver.awaited
    before = len(town.frames)
    town.clock.pass_ms(10 * RESEND_MS)
    await town.settle()
    assert len(town.frames) == before


async def test_one_patient_has_one_pseudonym_in_a_project_and_another_in_another():
    town = Town()
    town.provide(("a1", "ada"), ("a2", "ada"), ("b1", "bob"))
    first, second = town.released("a1", "a2", "b1"), town.released("a1", label="p2")
    await town.settle()
    stash = town.hospitals[REQUESTER].stash
    a1, a2, b1 = (stash.pseudonym(first, id16(name)) for name in ("a1", "a2", "b1"))
    assert a1 == a2 and a1 != b1
    assert stash.pseudonym(second, id16("a1")) not in (a1, None)


async def test_an_object_with_one_half_alone_stays_and_the_others_go():
    town = Town()
    town.provide(("a1", "ada"), ("b1", "bob"))
    request = town.apply("a1", "b1")
    town.grant_patient(request, "ada", "a1")
    town.grant_patient(request, "bob", "b1")
    town.grant_hospital(request, 0, "a1")
    town.release(request)
    await town.settle()
    [delivery] = town.sent(PartDelivery)
    assert {part.object_id for part in delivery.parts} == {id16("a1")}
    opened = await town.opened(request)
    assert opened == {**plain(town, "a1"), id16("b1"): ("parts-missing", b"")}
    assert not town.receipts(request), "the delivery is not complete"


async def test_a_half_that_comes_later_goes_then():
    town = Town()
    town.provide(("a1", "ada"))
    request = town.apply("a1")
    town.grant_patient(request, "ada", "a1")
    town.grant_hospital(request, 0, "a1", parts=False)
    town.release(request)
    await town.settle()
    assert not town.frames, "one half is no delivery"
    town.grant_hospital(request, 0, "a1")
    town.clock.pass_ms(RESEND_MS)
    await town.settle()
    assert await town.opened(request) == plain(town, "a1")


async def test_two_providers_deliver_at_once():
    town = Town()
    town.provide(("a1", "ada"), ("a2", "ada"))
    town.provide(("z1", "zoe"), ("z2", "zoe"), member=1)
    request = town.released("a1", "z1", "a2", "z2")
    await town.settle()
    assert await town.opened(request) == plain(town, "a1", "a2", "z1", "z2")
    assert town.receipts(request) == [
        ("provider", 0, 3), ("provider", 1, 3), ("requester", 3, 0), ("requester", 3, 1),
    ]  # fmt: skip


async def test_a_requester_that_is_itself_the_provider_gets_its_parts_without_a_link():
    town = Town()
    town.provide(("d1", "dan"), member=REQUESTER)
    town.down = {REQUESTER}
    request = town.released("d1")
    await town.settle()
    assert await town.opened(request) == plain(town, "d1")
    assert town.receipts(request) == [("provider", 3, 3), ("requester", 3, 3)]
    assert not town.sent(ObjectRequest), "the ciphertext lies in its own pool"
    town.hospitals[REQUESTER].objects.delete(id16("d1"))
    town.hospitals[REQUESTER].start()
    town.hospitals[REQUESTER].recover()
    await town.settle()
    assert not town.sent(ObjectRequest), "and what is gone there is gone"
    assert await town.opened(request) == {id16("d1"): ("object-missing", b"")}


async def test_parts_and_objects_fit_the_smallest_frames_of_a_chain():
    town = Town(frame_bytes=65_536)
    names = [f"a{number}" for number in range(40)]
    town.provide(*((name, "ada") for name in names), size_bytes=100_000)
    request = town.released(*names)
    await town.settle()
    assert len(town.sent(PartDelivery)) > 1
    assert await town.opened(request) == plain(town, *names)
    assert len(town.receipts(request)) == 2


async def test_a_delivery_is_made_again_until_it_is_acknowledged():
    town = Town()
    town.provide(("a1", "ada"))
    town.released("a1")
    town.down = {REQUESTER}
    for _ in range(3):
        await town.settle()
        town.clock.pass_ms(RESEND_MS)
    assert not town.frames
    town.down = set()
    town.taps = [lambda by, to, frame: not isinstance(frame, PartAck)]
    await town.settle()
    await town.settle()
    assert len(town.sent(PartDelivery)) == 1, "not before the time is over"
    town.clock.pass_ms(RESEND_MS)
    await town.settle()
    assert len(town.sent(PartDelivery)) == 2
    town.taps = []
    town.clock.pass_ms(RESEND_MS)
    await town.settle()
    assert len(town.sent(PartDelivery)) == 3
    town.clock.pass_ms(RESEND_MS)
    await town.settle()
    assert len(town.sent(PartDelivery)) == 3


async def test_a_restarted_provider_knows_from_the_state_what_is_due():
    town = Town()
    town.provide(("a1", "ada"))
    request = town.released("a1")
    town.hospitals[0].start()
    assert not town.hospitals[0].courier.due
    town.hospitals[0].recover()
    await town.settle()
    assert await town.opened(request) == plain(town, "a1")
    town.hospitals[0].start()
    town.hospitals[0].recover()
    before = len(town.frames)
    await town.settle()
    assert len(town.frames) == before and not town.hospitals[0].courier.due


async def test_a_requester_that_crashed_after_its_word_goes_on_and_files_its_receipt():
    town = Town()
    town.provide(("a1", "ada"))
    request = town.released("a1")
    town.taps = [lambda by, to, frame: not isinstance(frame, ObjectRequest)]
    await town.look()
    requester = town.hospitals[REQUESTER]
    assert len(requester.unfiled) == 1
    requester.start()
    town.taps = []
    requester.recover()
    await town.settle()
    assert await town.opened(request) == plain(town, "a1")
    assert town.receipts(request) == [("provider", 0, 3), ("requester", 3, 0)]
    assert len(town.sent(PartDelivery)) == 1, "the provider has its word and does not send again"


async def test_a_second_release_of_the_same_application_is_delivered_too():
    town = Town()
    town.provide(("a1", "ada"))
    request = town.released("a1")
    first = town.release(request).height
    await town.settle()
    second = town.release(request)
    assert second.height > first
    await town.settle()
    assert not town.hospitals[0].courier.due
    assert len(town.receipts(request)) == 4


async def test_a_second_release_before_the_receipt_of_the_first_gets_receipts_of_its_own():
    town = Town()
    town.provide(("a1", "ada"))
    request = town.released("a1")
    await town.look()
    assert town.hospitals[0].unfiled, "acknowledged, and not on chain yet"
    second = town.release(request).height
    await town.settle()
    assert town.receipts(request) == [("provider", 0, 3), ("requester", 3, 0)]
    heights = {key.split(b"/")[-4] for key in town.chain.backend if key.startswith(b"sshare/" + request)}
    assert heights == {b"%d" % second} and not town.hospitals[0].courier.due


async def test_an_object_that_is_not_served_does_not_hold_up_those_behind_it():
    town = Town()
    town.provide(("a1", "ada"), ("a2", "ada"))
    request = town.released("a1", "a2")
    lost = town.hospitals[0].objects
    data = lost.get(id16("a1"))
    lost.delete(id16("a1"))
    await town.settle()
    opened = await town.opened(request)
    assert opened == {id16("a1"): ("object-missing", b""), **plain(town, "a2")}
    lost.put(id16("a1"), data)
    town.clock.pass_ms(ASK_AGAIN_MS)
    await town.settle()
    assert await town.opened(request) == plain(town, "a1", "a2")
