"""Bounds of the core beside those in genesis, and the arithmetic behind them."""

from consensus.parameters import Parameters
from consensus.types import ReplicaSet

MAX_VIEW = 2**50
"""No honest replica gets there: a hundred turns of eight blocks a second for two months, or of 256 blocks for
thirty years."""

VIEW_JUMP = 100
"""Views that one step may skip on the word of f + 1 replicas; what is left follows in further steps."""

REACH_WINDOWS = 2
"""Messages are stored up to two windows above the low watermark and acted on in the first. An honest peer's
watermarks may be ahead of ours by what is in flight, at most one window; dropping its messages would
cost a re-send at every full window."""

GAP_MS = 1_000
"""A longer pause between two inputs means this process stood still, not its peers."""

HEARTBEAT_MS = 250
"""Longest sleep while anything is under way; well below GAP_MS."""

MAX_RELAYS = 16
"""Batches handed to the primary in one tick."""

ONE_REF_BYTES = 4_096
"""A proposal may always hold one ref up to this size, with its attestations."""

_VOTE_BYTES = 72
_MESSAGE_BYTES = 192
_FRAME_OVERHEAD_BYTES = 256


def proposal_bytes(parameters: Parameters, members: ReplicaSet) -> int:
    """Encoded bytes of refs that one proposal may carry, so that every NEW-VIEW fits a frame.

    A NEW-VIEW holds a quorum of VIEW-CHANGEs, each with a certificate (quorum votes) and up to `window`
    prepared certificates (a PRE-PREPARE and quorum - 1 votes), and up to `window` proposals. So there are
    (quorum + 1) * window copies of a proposal in the worst case. May be below ONE_REF_BYTES, even negative:
    then a frame is too small for this window and this many members."""
    quorum, window = members.quorum, parameters.window
    prepared = window * (_MESSAGE_BYTES + (quorum - 1) * _VOTE_BYTES)
    view_changes = quorum * (2 * _MESSAGE_BYTES + quorum * _VOTE_BYTES + prepared)
    left = parameters.frame_bytes - _FRAME_OVERHEAD_BYTES - view_changes - window * _MESSAGE_BYTES
    return left // ((quorum + 1) * window)
