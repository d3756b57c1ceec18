"""A lost quorum is said in words, with numbers."""

import pytest

from chainnode.node.api import LinkReport, StatusReport, lost_quorum


@pytest.mark.parametrize(("linked", "others", "quorum"), [(2, 3, 3), (3, 3, 3), (0, 0, 1), (6, 6, 5)])
def test_nothing_is_said_while_enough_members_are_linked(linked, others, quorum):
    assert lost_quorum(linked, others, quorum) == ""


def test_a_lost_quorum_is_said_with_who_is_missing():
    assert lost_quorum(1, 3, 3) == (
        "quorum lost: 2 of 4 members linked (this one included), 3 needed; "
        "nothing can be committed until 1 more is back"
    )
    assert lost_quorum(0, 6, 5).endswith(
        "1 of 7 members linked (this one included), 5 needed; nothing can be committed until 4 more are back"
    )


def test_observers_do_not_count_whatever_their_links_do():
    def lost(ups: dict[int, bool], observers: set[int], *, observes: bool = False) -> str:
        links = tuple(LinkReport(n, str(n), up, 0, 0, 0, n in observers) for n, up in ups.items())
        report = StatusReport(
            0, "a", "net", 0, b"", 0, 0, True, "", 0, 0, 0, 0, 0, (0.0, 0.0, 0.0), 3, links, 0, (), observes
        )
        return report.quorum_lost

    assert lost({1: True, 2: True, 3: False, 4: True}, {4}) == ""
    assert lost({1: True, 2: False, 3: False, 4: True}, {4}).startswith("quorum lost: 2 of 4")
    assert lost({1: True, 2: True, 3: True, 4: False}, {4}, observes=True) == ""
    assert lost({1: True, 2: True, 3: False, 4: True}, {4}, observes=True)
