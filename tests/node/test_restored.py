"""The mark of a restored backup: it outlives restarts and goes when the node votes again."""

import pytest

from chainnode.node.restored import ASKING, MARK_KEY, Mark, Restored
from consensus.codec import encode
from genesis.errors import OperatorError
from tests.store.memory import MemoryChainStore

KEY = bytes(32)


def marked() -> MemoryChainStore:
    rows = MemoryChainStore()
    rows.local_put(MARK_KEY, encode(Mark(ASKING, KEY, 1_700_000_000_000, 12)))
    return rows


def test_a_node_without_the_mark_is_as_any_other():
    restored = Restored(MemoryChainStore(), [KEY])
    assert not restored.asking and restored.trouble == ""
    restored.heard()
    restored.safe()


def test_it_asks_at_every_start_until_it_has_heard_and_then_waits_until_it_votes():
    rows = marked()
    assert Restored(rows, [KEY]).asking and Restored(rows, [KEY]).asking
    restored = Restored(rows, [KEY])
    assert "2023-11-14 22:13 UTC" in restored.trouble
    restored.safe()
    assert restored.asking, "a vote before it has heard is impossible, and does not lift the mark"
    restored.heard()
    again = Restored(rows, [KEY])
    assert not again.asking and again.trouble
    again.safe()
    assert again.trouble == "" and Restored(rows, [KEY]).trouble == ""


def test_a_backup_that_another_key_signed_does_not_start():
    with pytest.raises(OperatorError) as refused:
        Restored(marked(), [bytes(31) + b"x"])
    assert refused.value.code.code == "NOD-06"
