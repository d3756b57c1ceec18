"""What a genesis document may not say, and what it is warned of."""

import re
from dataclasses import replace

import pytest
from msgspec import structs

from genesis.checks import errors_of, problems
from genesis.document import decode_body, encode_body, parse_file
from genesis.model import Genesis, Member, Trustee
from tests.genesis.consortium import public, sealing


@pytest.fixture
def genesis(unsigned) -> Genesis:
    return parse_file(unsigned).genesis


def with_member(genesis: Genesis, number: int, **changes: object) -> Genesis:
    members = list(genesis.members)
    members[number] = replace(members[number], **changes)
    return replace(genesis, members=tuple(members))


def with_first(genesis: Genesis, roster: str, **changes: object) -> Genesis:
    entries = list(getattr(genesis, roster))
    entries[0] = replace(entries[0], **changes)
    return replace(genesis, **{roster: tuple(entries)})


def test_a_sound_document_has_no_problem(genesis):
    assert problems(genesis) == []
    assert decode_body(encode_body(genesis)) == genesis


SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
]
NOT_CANONICAL = "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"


@pytest.mark.parametrize("weak", [*SMALL_ORDER, NOT_CANONICAL, "00" * 31, "ff" * 32])
@pytest.mark.parametrize("field", ["validator_key", "transport_key", "steward_key"])
def test_weak_and_damaged_points_are_refused_by_their_owner(genesis, weak, field):
    (error,) = errors_of(with_member(genesis, 1, **{field: bytes.fromhex(weak)}))
    assert f"the {field.replace('_', ' ')} of bergen" in error and "weak" in error


@pytest.mark.parametrize("roster", ["registrars", "trustees"])
def test_weak_points_in_the_rosters_are_refused(genesis, roster):
    (error,) = errors_of(with_first(genesis, roster, key=bytes(32)))
    assert f"key of {roster[:-1]}" in error


@pytest.mark.parametrize(
    "damage",
    [
        lambda key: key[:-1],
        lambda key: b"\xff" * 1184 + key[1184:],
        lambda key: key[:1184] + bytes(32),
        lambda key: b"",
    ],
)
def test_sealing_keys_of_wrong_length_or_content_are_refused(genesis, damage):
    for changed in (
        with_member(genesis, 2, sealing_key=damage(sealing("cork"))),
        with_first(genesis, "trustees", sealing_key=damage(sealing("red-cross"))),
    ):
        (error,) = errors_of(changed)
        assert "the sealing key of" in error


def test_a_key_given_twice_is_refused_whatever_it_is_for(genesis):
    for changed in (
        with_member(genesis, 1, validator_key=public("aachen")),
        with_member(genesis, 1, transport_key=public("bergen")),
        with_member(genesis, 3, steward_key=public("health-fund")),
        with_first(genesis, "trustees", key=public("delft/link")),
        with_first(genesis, "trustees", sealing_key=sealing("aachen")),
    ):
        (error,) = errors_of(changed)
        assert "is also the" in error


def test_an_id_given_twice_is_refused_across_the_rosters(genesis):
    assert "the id 'aachen' is given 2 times" in errors_of(with_first(genesis, "registrars", id="aachen"))
    assert "the id 'cork' is given 2 times" in errors_of(with_member(genesis, 0, id="cork"))


@pytest.mark.parametrize("slug", ["", "Aachen", "a_b", "-a", "a-", "a--b", "ä", "a" * 33, "a b", "a\n"])
def test_ids_are_plain(genesis, slug):
    assert any("is no id" in error for error in errors_of(with_member(genesis, 0, id=slug)))
    assert any("network" in error for error in errors_of(replace(genesis, network=slug)))
    assert any("operator" in error for error in errors_of(with_first(genesis, "trustees", operator=slug)))


@pytest.mark.parametrize("slug", ["registrar", "trustee", "member", "steward", "node"])
@pytest.mark.parametrize("roster", ["members", "registrars", "trustees"])
def test_the_names_of_roles_are_nobodys_ids(genesis, roster, slug):
    (error,) = errors_of(with_first(genesis, roster, id=slug))
    assert error.startswith(f"{roster[:-1]}: '{slug}' is the name of a role and reserved")


@pytest.mark.parametrize(
    "name",
    ["", "a" * 81, "line\nbreak", "bell\x07", " outer", "right\u202eleft", "e\u0301", "tab\t", "zero\u200b"],
)
def test_names_can_be_shown_as_they_are(genesis, name):
    assert len(errors_of(with_member(genesis, 0, name=name))) == 1


def test_names_may_be_written_in_any_script(genesis):
    assert errors_of(with_member(genesis, 0, name="北京协和医院 Universitätsklinikum")) == []


def test_too_many_members_are_refused_and_numbers_follow_their_order(genesis):
    many = tuple(replace(genesis.members[0], number=i, id=f"h{i}") for i in range(32))
    assert any("32 members: at most 31" in error for error in errors_of(replace(genesis, members=many)))
    assert "there is no member" in errors_of(replace(genesis, members=()))
    assert any("numbered" in error for error in errors_of(replace(genesis, members=genesis.members[::-1])))


def test_fewer_than_four_members_are_warned_of_for_f_is_0(genesis):
    few = replace(genesis, members=genesis.members[:3])
    assert [(one.level, "f = 0" in one.text) for one in problems(few)] == [("warning", True)]


@pytest.mark.parametrize(
    ("name", "value"), [("window", 33), ("window", 0), ("batch_bytes", 2**30), ("max_timeout_ms", 1_000)]
)
def test_parameters_out_of_range_are_refused(genesis, name, value):
    parameters = structs.replace(genesis.parameters, **{name: value}, base_timeout_ms=2_000)
    assert any(name in error for error in errors_of(replace(genesis, parameters=parameters)))


def of_size(genesis: Genesis, members: int, **parameters: int) -> Genesis:
    roster = tuple(
        Member(i, f"h{i}", f"H {i}", public(f"h{i}"), public(f"l{i}"), sealing(f"h{i}"), public(f"s{i}"))
        for i in range(members)
    )
    return replace(genesis, members=roster, parameters=structs.replace(genesis.parameters, **parameters))


def test_a_frame_that_leaves_proposals_no_room_is_refused_with_what_to_change(genesis):
    cramped = of_size(genesis, 31, window=32)
    (error,) = errors_of(cramped)
    assert error.startswith(
        "frame_bytes = 1048576 is too small for 31 members and window = 32: 0 bytes remain"
    )
    raised, lowered = (
        int(number) for number in re.findall(r"at least (\d+) or lower window to (\d+)$", error)[0]
    )
    for name, value, beyond in (("frame_bytes", raised, raised - 22 * 32), ("window", lowered, lowered + 1)):
        cured = replace(cramped, parameters=structs.replace(cramped.parameters, **{name: value}))
        assert errors_of(cured) == []
        short = replace(cramped, parameters=structs.replace(cramped.parameters, **{name: beyond}))
        assert len(errors_of(short)) == 1


def test_the_defaults_leave_room_for_as_many_members_as_there_may_be(genesis):
    assert errors_of(of_size(genesis, 31)) == []


def test_where_no_window_would_do_only_the_frame_is_to_be_raised(genesis):
    (error,) = errors_of(of_size(genesis, 31, window=32, frame_bytes=65_536, batch_bytes=4_096))
    assert "raise frame_bytes" in error and "lower window" not in error


def test_the_head_is_checked(genesis):
    for change in (
        {"version": 2},
        {"suite": 2},
        {"transport": "carrier-pigeon"},
        {"created_ms": 0},
        {"created_ms": 2**63},
    ):
        assert len(errors_of(replace(genesis, **change))) == 1


def test_every_member_needs_a_registrar_that_it_does_not_run(genesis):
    own = with_first(genesis, "registrars", operator="cork")
    (error,) = errors_of(own)
    assert error.startswith("cork has no registrar but its own")
    (error,) = errors_of(replace(genesis, registrars=()))
    assert "at least one is needed" in error


def trustees_run_by(genesis: Genesis, *operators: str) -> Genesis:
    entries = [replace(entry, operator=one) for entry, one in zip(genesis.trustees, operators, strict=True)]
    return replace(genesis, trustees=tuple(entries))


def test_trustee_bounds_hold_for_every_pair_of_provider_and_requester(genesis):
    # Three trustees, f_T = 1, t = 2: with all three outside, 2 <= t <= 2.
    assert errors_of(genesis) == []
    inside = trustees_run_by(genesis, "aachen", "state-university", "red-cross")
    (error,) = errors_of(inside)
    assert "between aachen and bergen (and between 2 other pairs) leaves 2 trustees" in error


@pytest.mark.parametrize(("threshold", "faults"), [(1, 0), (3, 0), (2, 1)])
def test_a_threshold_between_the_faulty_and_the_honest_is_sound(genesis, threshold, faults):
    assert errors_of(replace(genesis, trustee_threshold=threshold, trustee_faults=faults)) == []


@pytest.mark.parametrize(("threshold", "faults"), [(4, 0), (0, 0), (1, 1), (3, 1), (1, -1), (-1, -2)])
def test_a_threshold_that_the_faulty_reach_or_the_honest_do_not_is_refused(genesis, threshold, faults):
    assert errors_of(replace(genesis, trustee_threshold=threshold, trustee_faults=faults))


def test_four_hospitals_alone_cannot_be_the_trustees(genesis):
    # n_T = 2 for every pair: f_T + 1 <= t <= n_T - f_T has no answer for f_T = 1.
    own = tuple(
        Trustee(f"t{member.number}", "A trustee", member.id, public(f"t{i}"), sealing(f"t{i}"))
        for i, member in enumerate(genesis.members)
    )
    for threshold in (1, 2, 3):
        assert errors_of(replace(genesis, trustees=own, trustee_threshold=threshold))


def test_without_trustees_the_bounds_are_zero_and_it_is_warned(genesis):
    bare = replace(genesis, trustees=(), trustee_threshold=0, trustee_faults=0)
    assert [one.level for one in problems(bare)] == ["warning"]
    assert len(errors_of(replace(bare, trustee_threshold=1))) == 1
