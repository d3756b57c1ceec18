"""How a node's end is told: the first error of all its tasks, however deep their groups are."""

from pathlib import Path

from chainnode.node.daemon import _short
from chainnode.node.ending import told
from consensus.messages import PrePrepare
from consensus.types import BatchRef
from tests.node.failures import DISK_FULL


def test_the_first_error_of_nested_groups_is_the_one_that_is_told():
    folder = Path("store")
    inner = ExceptionGroup("workers", [DISK_FULL, DISK_FULL])
    assert told(ExceptionGroup("node", [inner]), folder) is DISK_FULL
    assert told(ExceptionGroup("node", [DISK_FULL]), folder) is DISK_FULL


def test_a_fault_of_ours_among_them_is_not_hidden_behind_an_operators_error():
    group = ExceptionGroup("node", [DISK_FULL, ValueError("ours")])
    assert told(group, Path("store")) is group


def test_a_message_of_a_frames_length_is_a_short_line_in_the_log():
    refs = tuple(BatchRef(bytes(32), 0, number, 1, 1) for number in range(1_000))
    assert len(_short(PrePrepare(0, 0, 1, 1, refs, 0, bytes(64)))) <= 500
