"""Parameters of the protocol. They stand in genesis: one node's settings can never halt the others."""

from msgspec import Struct

RANGES: dict[str, tuple[int, int]] = {
    "window": (1, 32),
    "batch_bytes": (4_096, 1_048_576),
    "batch_transactions": (1, 10_000),
    "batch_delay_ms": (0, 1_000),
    "block_bytes": (65_536, 33_554_432),
    "unordered_bytes": (1_048_576, 268_435_456),
    "frame_bytes": (65_536, 8_388_608),
    "clock_skew_ms": (100, 60_000),
    "base_timeout_ms": (100, 60_000),
    "max_timeout_ms": (1_000, 600_000),
    "validity_heights": (10, 100_000),
    "turn_heights": (0, 1_000_000),
    "pass_over_turns": (0, 10_000),
}
"""Allowed range of each parameter, both ends included."""


class Parameters(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Bounds and timers. `unordered_bytes` holds per origin, `validity_heights` bounds how far
    ahead a transaction's `valid_until_height` may lie. After `turn_heights` the next member is the primary
    (0: only after a view change); one whose view was left is passed over for `pass_over_turns` turns."""

    window: int = 16
    batch_bytes: int = 262_144
    batch_transactions: int = 1_000
    batch_delay_ms: int = 5
    block_bytes: int = 4_194_304
    unordered_bytes: int = 16_777_216
    frame_bytes: int = 1_048_576
    clock_skew_ms: int = 2_000
    base_timeout_ms: int = 1_000
    max_timeout_ms: int = 30_000
    validity_heights: int = 1_000
    turn_heights: int = 256
    pass_over_turns: int = 16


def violations(parameters: Parameters) -> list[str]:
    """A sentence for each parameter that lies outside its range, in the order of RANGES."""
    found = []
    for name, (low, high) in RANGES.items():
        value = getattr(parameters, name)
        if not low <= value <= high:
            found.append(f"{name} = {value} lies outside {low} to {high}")
    if parameters.block_bytes < parameters.batch_bytes:
        found.append("block_bytes is smaller than batch_bytes: no block could hold a batch")
    if parameters.frame_bytes < 2 * parameters.batch_bytes:
        found.append("frame_bytes is smaller than twice batch_bytes: a batch with its rows would not fit")
    # A batch lives for a quarter of it (dissemination.py), and one that expires within the window counts for
    # no timer (suspicion.py): with less, a silent primary would never be suspected.
    if parameters.validity_heights < 8 * parameters.window:
        found.append("validity_heights is smaller than eight windows: batches would expire while they wait")
    if 0 < parameters.turn_heights < 2 * parameters.window:
        found.append("turn_heights is smaller than two windows: no window would ever be full")
    if parameters.max_timeout_ms < parameters.base_timeout_ms:
        found.append("max_timeout_ms is smaller than base_timeout_ms")
    return found
