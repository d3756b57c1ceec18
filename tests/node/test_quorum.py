"""A lost quorum is said in words, with numbers."""

import pytest

from chainnode.node.api import lost_quorum


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
