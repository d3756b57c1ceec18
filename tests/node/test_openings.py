"""Standing consents: trustees open with one another what the patient permitted, and look for themselves."""

import pytest
from msgspec import structs

from chainnode.ledger.payloads import Barrier, Revoke
from chainnode.net.wire import Opening, OpeningAnswer, OpeningRequest, PartDelivery
from chainnode.node.combining import Lie, is_lie
from chainnode.node.freshness import FRESH_MS
from chainnode.node.openings import ASK_AGAIN_MS
from chainnode.vault import tdh2
from chainnode.vault.openparts import Answer, Place, open_answer, signed_answer
from chainnode.vault.sealing import seal
from consensus.codec import decode, encode
from tests.ledger.world import id16
from tests.node.town import REQUESTER
from tests.node.trusteetown import REMAINING, TrusteeTown


@pytest.fixture
def town(tmp_path):
    town = TrusteeTown(tmp_path)
    town.provide(("a1", "ada"), ("a2", "ada"))
    town.consent("ada")
    town.deal("ada")
    return town


def plain(town, *names):
    return {id16(name): ("", town.items[name].plaintext) for name in names}


def declined(town):
    return {one.rule for frame in town.sent(OpeningAnswer) for one in frame.declined}


def answers(town, seat):
    return [frame for frame in town.sent(OpeningAnswer) if frame.seat == seat and frame.parts]


async def test_what_a_standing_consent_releases_opens_without_the_patient(town):
    request = town.standing("a1", "a2")
    await town.settle()
    assert await town.opened(request) == plain(town, "a1", "a2")
    assert town.report(request) == ("3 of 3 trustees have answered, 2 must open together",)
    progress = await town.hospitals[REQUESTER].receiver.progress(request)
    assert progress == {"authorised": 2, "parts": 2, "objects": 2}
    assert town.receipts(request) == [("provider", 0, 3), ("requester", 3, 0)]


async def test_the_provider_s_and_the_requester_s_trustees_are_not_asked_and_decline_if_they_are(town):
    request = town.standing("a1")
    await town.settle()
    asked = {frame.seat for frame in town.sent(OpeningRequest)}
    assert asked == set(REMAINING)
    wraps = town.sent(OpeningRequest)[0].wraps
    for seat in (1, 4):
        await town.hospitals[seat - 1].trusteeing.asked(REQUESTER, OpeningRequest(request, seat, wraps))
    assert declined(town) == {"trustee-excluded"}


async def test_a_silent_trustee_is_survived_and_named(town):
    town.down = {1}
    request = town.standing("a1")
    await town.settle()
    assert await town.opened(request) == plain(town, "a1")
    head, *rest = town.report(request)
    assert head == "2 of 3 trustees have answered, 2 must open together"
    assert rest == ["trustee-2 is silent: 0 of 1 opened"]


async def test_fewer_than_the_threshold_open_nothing_and_those_who_come_back_do(town):
    town.down = {1, 2}
    request = town.standing("a1")
    await town.settle()
    assert await town.opened(request) == {id16("a1"): ("parts-missing", b"")}
    assert town.report(request)[0].startswith("1 of 3 trustees")
    town.down = set()
    town.clock.pass_ms(ASK_AGAIN_MS)
    await town.settle()
    assert await town.opened(request) == plain(town, "a1")


def lie_of(town, seat, *, signed=True):
    """From now on the seat's parts are made with another share; `signed`: under its signature."""

    def tap(by, to, frame):
        if not isinstance(frame, OpeningAnswer) or frame.seat != seat or not frame.parts:
            return True
        hospital = town.hospitals[seat - 1]
        request_id = frame.request_id
        project = town.projects[request_id]
        false = []
        for part in frame.parts:
            wrap = town.hospitals[REQUESTER].stash.delivered(request_id, part.object_id, "wrap")
            place = Place(town.chain.chain_id, request_id, part.object_id, seat, part.dealing)
            told = open_answer(place, part.data, project).partial
            told = structs.replace(told, u=tdh2.SECOND_GENERATOR)
            signature = hospital.trusteeship.keys.signing.sign(signed_answer(place, wrap, told))
            answer = Answer(told, signature if signed else bytes(64))
            false.append(
                Opening(part.object_id, part.dealing, seal(project.public, encode(answer), place.info()))
            )
        town._underway.append((by, to, structs.replace(frame, parts=tuple(false))))
        return False

    town.taps = [tap]


async def test_a_false_part_is_passed_over_its_trustee_named_and_convicted_by_what_is_kept(town):
    lie_of(town, 2)
    request = town.standing("a1")
    await town.settle()
    assert await town.opened(request) == plain(town, "a1")
    assert town.report(request) == (
        "2 of 3 trustees have answered, 2 must open together",
        "trustee-2 gave a part whose proof fails, under its signature",
    )
    kept = town.hospitals[REQUESTER].rows.local_get(b"lie/" + request + b"/2")
    lie = decode(kept, Lie, limit_bytes=4_096)
    key = town.chain.trustees[1].public
    assert is_lie(lie, key)
    assert not is_lie(lie, town.chain.trustees[2].public), "it convicts nobody else"
    assert not is_lie(structs.replace(lie, object_id=id16("a2")), key)
    assert not is_lie(structs.replace(lie, label=b"other"), key)


async def test_a_part_that_is_not_signed_convicts_nobody_and_is_passed_over(town):
    lie_of(town, 3, signed=False)
    request = town.standing("a1")
    await town.settle()
    assert await town.opened(request) == plain(town, "a1")
    assert "trustee-3 gave a part that does not open or that it did not sign" in town.report(request)
    assert town.hospitals[REQUESTER].rows.local_get(b"lie/" + request + b"/3") is None


async def test_a_true_part_never_convicts(town):
    request = town.standing("a1")
    await town.settle()
    rows = town.hospitals[REQUESTER].openings._rows
    (part, *_) = rows.parts(request, id16("a1"))
    place = Place(town.chain.chain_id, request, id16("a1"), part.seat, part.dealing)
    wrap = town.hospitals[REQUESTER].stash.delivered(request, id16("a1"), "wrap")
    answer = open_answer(place, part.sealed, town.projects[request])
    named = (place.chain_id, request, id16("a1"), part.seat)
    lie = Lie(*named, wrap, b"label", rows.dealing(part.dealing), answer)
    assert not is_lie(lie, town.chain.trustees[part.seat - 1].public)


async def test_with_a_liar_and_a_silent_one_it_does_not_open_and_both_are_named(town):
    town.down = {2}
    lie_of(town, 2)
    request = town.standing("a1")
    await town.settle()
    assert await town.opened(request) == {id16("a1"): ("partials-too-few", b"")}
    told = "; ".join(town.report(request))
    assert "trustee-2 gave a part whose proof fails" in told and "trustee-3 is silent" in told


async def test_a_trustee_without_a_young_certificate_declines(town):
    request = town.standing("a1")
    await town.settle()
    [asked] = {frame.wraps for frame in town.sent(OpeningRequest)}
    before = len(answers(town, 2))
    hospital = town.hospitals[1]
    hospital.cut_off = True
    town.clock.pass_ms(FRESH_MS + 1)
    await hospital.trusteeing.asked(REQUESTER, OpeningRequest(request, 2, asked))
    assert declined(town) == {"certificate-too-old"} and len(answers(town, 2)) == before
    hospital.cut_off = False
    town.own(0, Barrier(0))
    town.clock.pass_ms(FRESH_MS + 1)
    await hospital.trusteeing.asked(REQUESTER, OpeningRequest(request, 2, asked))
    assert len(answers(town, 2)) == before + 1, "its own barrier made a fresh certificate"


async def test_a_revocation_between_the_decision_and_the_opening_stops_every_trustee(town):
    request = town.standing("a1")
    hold = [lambda by, to, frame: not isinstance(frame, OpeningRequest)]
    town.taps = hold
    await town.settle()
    asked = town.sent(OpeningRequest)[0].wraps
    town.taps = []
    town.must(town.patient("ada"), Revoke(town.handle("ada"), "consent", id16("any")))
    for seat in REMAINING:
        await town.hospitals[seat - 1].trusteeing.asked(REQUESTER, OpeningRequest(request, seat, asked))
    assert declined(town) == {"revoked"} and not any(answers(town, seat) for seat in REMAINING)
    await town.arrive()
    assert await town.opened(request) == {id16("a1"): ("parts-missing", b"")}
    assert any("revoked" in line for line in town.report(request))


async def test_another_hospital_s_question_and_one_for_no_release_are_declined(town):
    request = town.standing("a1")
    await town.settle()
    asked = town.sent(OpeningRequest)[0].wraps
    trustee = town.hospitals[1].trusteeing
    await trustee.asked(4, OpeningRequest(request, 2, asked))
    await trustee.asked(REQUESTER, OpeningRequest(id16("none"), 2, asked))
    other = (structs.replace(asked[0], object_id=id16("a2")),)
    await trustee.asked(REQUESTER, OpeningRequest(request, 2, other))
    assert declined(town) == {"not-the-requester", "unknown-release", "not-authorised"}


async def test_a_wrap_of_another_object_opens_for_nobody(town):
    """A requester that is released a1 alone asks with a2's wrap under a1's name."""
    request = town.standing("a1")
    await town.settle()
    [one] = town.sent(OpeningRequest)[0].wraps
    recipients = town.items["a2"].sealed.w_p
    stolen = structs.replace(one, data=recipients)
    await town.hospitals[1].trusteeing.asked(REQUESTER, OpeningRequest(request, 2, (stolen,)))
    assert declined(town) == {"ciphertext-invalid"}


async def test_what_the_patient_signed_live_no_trustee_opens(town):
    request = town.released("a1")
    await town.settle()
    assert await town.opened(request) == plain(town, "a1")
    assert not town.sent(OpeningRequest) and not town.report(request)
    wrap = Opening(id16("a1"), bytes(32), town.items["a1"].sealed.w_p)
    await town.hospitals[1].trusteeing.asked(REQUESTER, OpeningRequest(request, 2, (wrap,)))
    assert declined(town) == {"not-standing"}


async def test_parts_of_two_dealings_are_not_mixed(town):
    town.down = {2, 4}
    request = town.standing("a1")
    await town.settle()
    assert town.report(request)[0].startswith("1 of 3")
    town.deal("ada", "second")
    town.down = {1, 2}
    town.clock.pass_ms(ASK_AGAIN_MS)
    await town.settle()
    assert await town.opened(request) == {id16("a1"): ("parts-missing", b"")}
    town.down = {1}
    town.clock.pass_ms(ASK_AGAIN_MS)
    await town.settle()
    assert await town.opened(request) == plain(town, "a1")


async def test_without_a_dealing_the_wrap_stays_at_the_provider_and_nothing_opens(tmp_path):
    town = TrusteeTown(tmp_path)
    town.provide(("a1", "ada"))
    town.consent("ada")
    request = town.standing("a1")
    await town.settle()
    assert not town.sent(PartDelivery) and not town.sent(OpeningRequest)
    assert await town.opened(request) == {id16("a1"): ("parts-missing", b"")}
    assert "1 of 1 objects: their class key is not dealt to trustees now" in town.report(request)


async def test_a_restarted_requester_asks_on_and_keeps_what_it_has(town):
    town.down = {1, 2}
    request = town.standing("a1")
    await town.settle()
    requester = town.hospitals[REQUESTER]
    requester.start()
    requester.recover()
    town.down = {2}
    await town.settle()
    assert await town.opened(request) == plain(town, "a1")
    assert len([frame for frame in town.sent(OpeningRequest) if frame.seat == 5]) == 1


async def test_many_objects_fit_the_smallest_frames(tmp_path):
    town = TrusteeTown(tmp_path)
    town.frame_bytes = 65_536
    for hospital in town.hospitals:
        hospital.start()
    names = [f"a{number}" for number in range(40)]
    town.provide(*((name, "ada") for name in names))
    town.consent("ada")
    town.deal("ada")
    request = town.standing(*names)
    await town.settle()
    assert await town.opened(request) == plain(town, *names)
    assert len(town.sent(OpeningRequest)) > len(REMAINING)


async def test_an_answer_of_a_seat_from_another_node_is_not_kept(town):
    town.down = {1}
    request = town.standing("a1")
    await town.settle()
    [answer] = answers(town, 3)
    await town.hospitals[REQUESTER].openings.answered(4, structs.replace(answer, seat=2))
    kept = town.hospitals[REQUESTER].openings._rows.parts(request, id16("a1"))
    assert {part.seat for part in kept} == {3, 5}
