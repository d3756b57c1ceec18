"""A peer does not fill this node's disk with lines about itself."""

from chainnode.node.complaints import MINUTE_MS, PER_MINUTE, Complaints
from tests.node.stand_ins import Clock, Log


def test_so_many_lines_a_minute_are_written_about_a_peer_and_the_rest_is_counted():
    log, clock = Log(), Clock(monotonic_ms=0)
    complaints = Complaints(log, clock)
    for _ in range(PER_MINUTE + 25):
        complaints.warn(1, "frame refused", rule="malformed")
    assert log.said("frame refused") == PER_MINUTE
    complaints.warn(2, "another's")
    assert log.said("another's") == 1
    clock.pass_ms(MINUTE_MS)
    complaints.warn(1, "frame refused", rule="malformed")
    assert log.lines[-1] == ("frame refused", {"peer": 1, "rule": "malformed", "left_out": 25})
