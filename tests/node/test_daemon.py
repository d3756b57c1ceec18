"""How a node's end is told: the first error of all its tasks, however deep their groups are."""

from chainnode.node.daemon import _first, _short
from consensus.messages import PrePrepare
from consensus.types import BatchRef
from tests.node.failures import DISK_FULL


def test_the_first_error_of_nested_groups_is_the_one_that_is_told():
    inner = ExceptionGroup("workers", [DISK_FULL, ValueError("later")])
    assert _first(ExceptionGroup("node", [inner, ValueError("other")])) is DISK_FULL
    assert _first(ExceptionGroup("node", [DISK_FULL])) is DISK_FULL


def test_a_message_of_a_frames_length_is_a_short_line_in_the_log():
    refs = tuple(BatchRef(bytes(32), 0, number, 1, 1) for number in range(1_000))
    assert len(_short(PrePrepare(0, 0, 1, 1, refs, 0, bytes(64)))) <= 500
