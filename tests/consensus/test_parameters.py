"""Parameters that each lie in their range and do not go together."""

import pytest
from msgspec import structs

from consensus.parameters import Parameters, violations


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
    ],
)
def test_parameters_that_do_not_go_together_are_named(changes: dict[str, int], named: str):
    [sentence] = violations(structs.replace(Parameters(), **changes))
    assert sentence.startswith(named)


def test_eight_windows_are_validity_enough():
    assert violations(Parameters(window=32, validity_heights=256)) == []
