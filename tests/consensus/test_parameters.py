"""Parameters that each lie in their range and do not go together."""

import pytest
from msgspec import structs

from consensus.parameters import RANGES, Parameters, violations

FROZEN = {
    "window": (1, 16, 32),
    "batch_bytes": (4_096, 262_144, 1_048_576),
    "batch_transactions": (1, 1_000, 10_000),
    "batch_delay_ms": (0, 5, 1_000),
    "block_bytes": (65_536, 4_194_304, 33_554_432),
    "unordered_bytes": (1_048_576, 16_777_216, 268_435_456),
    "frame_bytes": (65_536, 1_048_576, 8_388_608),
    "clock_skew_ms": (100, 2_000, 60_000),
    "base_timeout_ms": (100, 1_000, 60_000),
    "max_timeout_ms": (1_000, 30_000, 600_000),
    "validity_heights": (10, 1_000, 100_000),
    "turn_heights": (0, 256, 1_000_000),
    "pass_over_turns": (0, 16, 10_000),
}
"""Lowest, default, highest: they stand in genesis documents, so they do not change."""


def test_defaults_and_ranges_are_those_of_the_documents_that_are_out():
    assert list(RANGES) == list(FROZEN) == list(Parameters.__struct_fields__)
    for name, (low, default, high) in FROZEN.items():
        assert RANGES[name] == (low, high) and getattr(Parameters(), name) == default


@pytest.mark.parametrize("name", FROZEN)
def test_both_ends_of_a_range_are_in_it_and_what_lies_beyond_is_named(name: str):
    low, _, high = FROZEN[name]
    for value, outside in ((low - 1, True), (low, False), (high, False), (high + 1, True)):
        found = violations(structs.replace(Parameters(), **{name: value}))
        sentence = f"{name} = {value} lies outside {low} to {high}"
        assert (sentence in found) == outside


def test_the_defaults_go_together():
    assert violations(Parameters()) == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"block_bytes": 131_072}, "block_bytes"),
        ({"frame_bytes": 262_144}, "frame_bytes"),
        ({"validity_heights": 127}, "validity_heights"),
        ({"window": 32, "validity_heights": 255}, "validity_heights"),
        ({"max_timeout_ms": 1_000, "base_timeout_ms": 2_000}, "max_timeout_ms"),
        ({"turn_heights": 31}, "turn_heights"),
        ({"turn_heights": 1}, "turn_heights"),
    ],
)
def test_parameters_that_do_not_go_together_are_named(changes: dict[str, int], named: str):
    [sentence] = violations(structs.replace(Parameters(), **changes))
    assert sentence.startswith(named)


@pytest.mark.parametrize("turn_heights", [0, 32])
def test_turns_are_two_windows_long_or_there_are_none(turn_heights: int):
    assert violations(Parameters(turn_heights=turn_heights)) == []


def test_eight_windows_are_validity_enough():
    assert violations(Parameters(window=32, validity_heights=256)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"block_bytes": 262_144},
        {"frame_bytes": 524_288},
        {"max_timeout_ms": 2_000, "base_timeout_ms": 2_000},
    ],
)
def test_a_block_holds_one_batch_a_frame_two_and_a_timeout_need_not_grow(changes: dict[str, int]):
    assert violations(structs.replace(Parameters(), **changes)) == []
