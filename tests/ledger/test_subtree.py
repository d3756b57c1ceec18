"""Parts of the tree prove themselves: what a peer sends is the very content, or it is refused."""

from collections.abc import Iterator

import pytest

from chainnode.ledger.proof import EMPTY, key_hash
from chainnode.ledger.state import State
from chainnode.ledger.subtree import (
    Entry,
    SubTree,
    SubTreeError,
    check_subtree,
    cut_subtree,
    hash_below,
    keys_below,
    node_at,
)
from consensus.codec import DecodeError, decode, encode
from tests.ledger.story import tell

LIMIT = 4_096


class Holder:
    """A state on a dict."""

    def __init__(self, content: dict[bytes, bytes]) -> None:
        self.raw: dict[bytes, bytes] = {}
        self.state = State(self.raw.get)
        self.change(dict(content))

    def change(self, changes: dict[bytes, bytes | None]) -> None:
        for name, value in self.state.update(changes, {}).items():
            if value is None:
                self.raw.pop(name, None)
            else:
                self.raw[name] = value

    def items(self, prefix: bytes, start: bytes) -> Iterator[tuple[bytes, bytes]]:
        names = sorted(name for name in self.raw if name.startswith(prefix) and name >= start)
        return iter([(name, self.raw[name]) for name in names])

    def cut(self, prefix: bytes, limit: int = LIMIT) -> SubTree:
        return cut_subtree(self.raw.get, self.items, prefix, limit)

    def fetched(self, limit: int = LIMIT) -> dict[bytes, bytes]:
        """The whole content, part by part, each checked."""
        found: dict[bytes, bytes] = {}
        work = [(b"", self.state.root)]
        while work:
            prefix, expected = work.pop()
            part = self.cut(prefix, limit)
            work += check_subtree(part, prefix, expected)
            for entry in part.entries:
                found[entry.key] = self.raw[b"s" + entry.key] if entry.large else entry.data
        return found


def content(count: int) -> dict[bytes, bytes]:
    return {b"key/%d" % n: b"value %d" % n * (n % 7 + 1) for n in range(count)}


@pytest.fixture(scope="module")
def holder() -> Holder:
    return Holder(content(700))


@pytest.mark.parametrize("count", [1, 3, 64, 65, 700])
@pytest.mark.parametrize("limit", [256, 4_096, 1 << 20])
def test_the_parts_together_are_the_whole_content(count: int, limit: int) -> None:
    assert Holder(content(count)).fetched(limit) == content(count)


def test_the_keys_index_follows_deletions() -> None:
    holder = Holder(content(50))
    holder.change({b"key/3": None, b"key/4": b"other"})
    expected = content(50) | {b"key/4": b"other"}
    del expected[b"key/3"]
    assert holder.fetched() == expected


def test_a_part_of_an_unchanged_prefix_keeps_its_hash_under_a_new_root(holder: Holder) -> None:
    before = dict(check_subtree(holder.cut(b""), b"", holder.state.root))
    other = Holder(content(700))
    other.change({b"key/1": b"changed"})
    after = dict(check_subtree(other.cut(b""), b"", other.state.root))
    changed = bytes([key_hash(b"key/1")[0] >> 4])
    assert {prefix for prefix in before if before[prefix] != after[prefix]} == {changed}


def test_every_changed_byte_of_a_part_is_refused(holder: Holder) -> None:
    """Node and entries, over all bytes of their encoding."""
    [(prefix, expected), *_] = check_subtree(holder.cut(b""), b"", holder.state.root)
    for part, at, hash_ in (
        (holder.cut(b""), b"", holder.state.root),
        (holder.cut(prefix, 1 << 20), prefix, expected),
    ):
        data = encode(part)
        for place in range(len(data)):
            for flip in (0x01, 0x80):
                bad = data[:place] + bytes([data[place] ^ flip]) + data[place + 1 :]
                with pytest.raises((SubTreeError, DecodeError)):
                    check_subtree(decode(bad, SubTree, limit_bytes=len(bad)), at, hash_)


def test_an_entry_that_is_missing_extra_twice_or_out_of_order_is_refused(holder: Holder) -> None:
    [(prefix, expected), *_] = check_subtree(holder.cut(b""), b"", holder.state.root)
    whole = holder.cut(prefix, 1 << 20).entries
    foreign = next(Entry(key, False, b"v") for hashed, key in keys_below(holder.items, b"\x0f"))
    assert check_subtree(SubTree(b"", whole), prefix, expected) == []
    for entries in (
        whole[1:],
        whole[:-1],
        (*whole, whole[-1]),
        (whole[1], whole[0], *whole[2:]),
        (*whole, foreign),
        (),
    ):
        with pytest.raises(SubTreeError):
            check_subtree(SubTree(b"", entries), prefix, expected)


def test_a_part_of_another_prefix_or_with_both_forms_is_refused(holder: Holder) -> None:
    root = holder.cut(b"")
    children = check_subtree(root, b"", holder.state.root)
    part = holder.cut(children[0][0], 1 << 20)
    for wrong in (SubTree(root.node, part.entries), SubTree(root.node[:-1], ()), SubTree(b"\0\0", ()), part):
        with pytest.raises(SubTreeError):
            check_subtree(wrong, b"", holder.state.root)
    with pytest.raises(SubTreeError):
        check_subtree(part, children[1][0], children[0][1])


@pytest.mark.parametrize("prefix", [b"\x10", b"\xff", b"\0" * 65])
def test_what_is_no_prefix_is_refused(holder: Holder, prefix: bytes) -> None:
    with pytest.raises(SubTreeError):
        holder.cut(prefix)
    with pytest.raises(SubTreeError):
        check_subtree(SubTree(b"", ()), prefix, EMPTY)


def test_a_long_value_travels_by_itself_and_is_bound_by_its_hash() -> None:
    holder = Holder(content(3) | {b"long": b"x" * 5_000})
    part = holder.cut(b"", 1 << 13)
    entries = part.entries or tuple(
        entry
        for prefix, expected in check_subtree(part, b"", holder.state.root)
        for entry in holder.cut(prefix, 1 << 13).entries
    )
    [large] = [entry for entry in entries if entry.large]
    assert large.key == b"long" and len(large.data) == 32
    assert holder.fetched(1 << 13)[b"long"] == b"x" * 5_000


def test_a_hash_in_place_of_a_large_value_has_the_length_of_one() -> None:
    holder = Holder({b"a": b"v"})
    with pytest.raises(SubTreeError):
        check_subtree(SubTree(b"", (Entry(b"a", True, b"v"),)), b"", holder.state.root)


def test_the_hash_of_nothing_is_empty_and_a_missing_node_is_none(holder: Holder) -> None:
    assert hash_below(b"", 0) == EMPTY
    assert node_at({}.get, b"") == b"" and node_at(holder.raw.get, b"\0" * 30) == b""


def test_the_states_own_story_is_cut_and_checked() -> None:
    chain = tell().chain
    holder = Holder({})
    holder.raw, holder.state = chain.backend, chain.state
    state = {name[1:]: value for name, value in chain.backend.items() if name[:1] == b"s"}
    assert holder.fetched(1 << 14) == state
