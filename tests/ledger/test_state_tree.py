"""The authenticated tree: one content, one root, and proofs of what is there and what is not."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainnode.ledger import proof as proof_module
from chainnode.ledger import tree as tree_module
from chainnode.ledger.proof import (
    EMPTY,
    StateProof,
    bucket_hash,
    key_hash,
    node_hash,
    value_hash,
    verify_state_proof,
)
from chainnode.ledger.tree import StateTree
from consensus.domain import digest
from tests.ledger.world import quick

Content = dict[bytes, bytes]


class Store:
    """A backend and the tree on it."""

    def __init__(self, cache_bytes: int = 1 << 20) -> None:
        self.raw: dict[bytes, bytes] = {}
        self.tree = StateTree(self.raw.get, cache_bytes)

    def write(self, changes: dict[bytes, bytes | None]) -> bytes:
        for name, value in self.tree.update(changes).items():
            if value is None:
                self.raw.pop(name, None)
            else:
                self.raw[name] = value
        return self.tree.root


def crowded_hash(key: bytes) -> bytes:
    """Key hashes that all begin alike, as somebody would grind them: buckets have to split."""
    return b"\x12\x34" + (b"\x50" if key[-1] % 3 else b"\x5f") + sha256(key).digest()[:29]


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_module, "key_hash", crowded_hash)
    monkeypatch.setattr(proof_module, "key_hash", crowded_hash)


def keys(count: int) -> list[bytes]:
    return [b"key/%d" % n for n in range(count)]


def test_hashes_are_the_digests_that_the_format_names() -> None:
    data = b"x" * 514
    assert key_hash(data) == digest("state-key", data)
    assert value_hash(data) == digest("state-value", data)
    assert node_hash(data) == digest("state-node", data)
    assert bucket_hash(data) == digest("state-bucket", data)
    assert bucket_hash(b"") == EMPTY


def test_root_of_a_known_content_never_changes() -> None:
    store = Store()
    root = store.write({b"member/%d" % n: b"value %d" % n for n in range(100)})
    assert root.hex() == "92ee91e429009e8958046b1b4c73c31307c48e8d98377fd9b3f07cc80bc7b0c1"


def reference(entries: list[tuple[bytes, bytes]], depth: int = 0) -> bytes:
    """The root as the format says it, by plain recursion over (key hash, value hash)."""
    if not entries:
        return EMPTY
    if depth >= 4 and len(entries) <= 64:
        return digest("state-bucket", b"".join(key + value for key, value in sorted(entries)))
    children = [
        reference([one for one in entries if one[0].hex()[depth] == f"{which:x}"], depth + 1)
        for which in range(16)
    ]
    mask = sum(1 << which for which, child in enumerate(children) if child != EMPTY)
    present = b"".join(child for child in children if child != EMPTY)
    return digest("state-node", mask.to_bytes(2, "big") + present)


def test_root_is_the_one_that_the_format_describes(crowded: None) -> None:
    store, content = Store(), {key: b"value of " + key for key in keys(500)}
    store.write(dict(content))
    expected = [(crowded_hash(key), digest("state-value", value)) for key, value in content.items()]
    assert store.tree.root == reference(expected)


@quick
@given(st.dictionaries(st.binary(max_size=4), st.binary(max_size=4), max_size=200))
def test_root_of_any_content_is_the_one_that_the_format_describes(content: Content) -> None:
    store = Store()
    store.write(dict(content))
    hashed = [(digest("state-key", key), digest("state-value", content[key])) for key in content]
    assert store.tree.root == reference(hashed)


@quick
@given(
    st.lists(
        st.dictionaries(st.sampled_from(keys(12)), st.none() | st.binary(max_size=3), max_size=8), max_size=8
    )
)
def test_root_depends_on_content_alone(blocks: list[dict[bytes, bytes | None]]) -> None:
    store, content = Store(), Content()
    for changes in blocks:
        store.write(changes)
        for key, value in changes.items():
            if value is None:
                content.pop(key, None)
            else:
                content[key] = value
    fresh = Store()
    fresh.write(dict(reversed(content.items())))
    assert store.tree.root == fresh.tree.root
    assert store.raw == fresh.raw
    for key in keys(12):
        proof = store.tree.prove(key)
        assert verify_state_proof(store.tree.root, key, content.get(key), proof)
        assert not verify_state_proof(store.tree.root, key, b"other", proof)


def test_crowded_buckets_split_and_join_again_without_a_trace(crowded: None) -> None:
    few = {key: b"v" for key in keys(60)}
    many = {key: b"v" for key in keys(400)}
    store, small, at_once = Store(), Store(), Store()
    small.write(dict(few))
    at_once.write(dict(many))
    for key in keys(400):
        store.write({key: b"v"})
    assert store.tree.root == at_once.tree.root and store.raw == at_once.raw
    assert sum(name[:1] == b"b" for name in store.raw) > 10
    for key in [*keys(400)[::37], b"absent/1", b"absent/2"]:
        assert verify_state_proof(store.tree.root, key, many.get(key), store.tree.prove(key))
    for key in keys(400)[60:]:
        store.write({key: None})
    assert store.tree.root == small.tree.root and store.raw == small.raw
    store.write(dict.fromkeys(few))
    assert store.tree.root == EMPTY and store.raw == {}


def test_crowded_batches_of_mixed_changes_give_the_same_root(crowded: None) -> None:
    store, content = Store(cache_bytes=2_000), Content()
    for step in range(12):
        changes: dict[bytes, bytes | None] = {}
        for n, key in enumerate(keys(300)):
            turn = (n * 7 + step * 13) % 10
            if turn < 4:
                changes[key] = b"%d" % step
            elif turn < 6 + step // 6:
                changes[key] = None
        store.write(changes)
        for key, value in changes.items():
            if value is None:
                content.pop(key, None)
            else:
                content[key] = value
        fresh = Store()
        fresh.write(dict(content))
        assert store.tree.root == fresh.tree.root and store.raw == fresh.raw


def test_a_tree_opened_again_goes_on_where_it_stood() -> None:
    store = Store()
    store.write({key: b"1" for key in keys(200)})
    again = StateTree(store.raw.get)
    assert again.root == store.tree.root
    changes: dict[bytes, bytes | None] = {key: b"2" for key in keys(260)[150:]}
    assert again.update(changes) == store.tree.update(changes)
    assert again.root == store.tree.root


def test_proofs_already_see_a_block_that_is_not_written_yet() -> None:
    store = Store()
    store.tree.update({b"key/1": b"v"})
    assert verify_state_proof(store.tree.root, b"key/1", b"v", store.tree.prove(b"key/1"))


def test_absence_is_proven_in_an_empty_tree_a_missing_branch_and_a_full_bucket() -> None:
    store = Store()
    assert verify_state_proof(EMPTY, b"nothing", None, store.tree.prove(b"nothing"))
    store.write({key: b"v" for key in keys(3)})
    root, missing = store.tree.root, store.tree.prove(b"nothing")
    assert missing.bucket == b"" and verify_state_proof(root, b"nothing", None, missing)
    assert not verify_state_proof(root, b"nothing", b"v", missing)


def test_presence_cannot_be_denied_nor_proven_with_another_proof() -> None:
    store = Store()
    root = store.write({key: b"v" for key in keys(50)})
    proof = store.tree.prove(b"key/1")
    assert verify_state_proof(root, b"key/1", b"v", proof)
    assert not verify_state_proof(root, b"key/1", None, proof)
    assert not verify_state_proof(root, b"key/2", b"v", proof)
    cut = StateProof(proof.nodes[:-1], b"")
    assert not verify_state_proof(root, b"key/1", None, cut)
    assert not verify_state_proof(root, b"key/1", None, StateProof(proof.nodes, b""))
    longer = StateProof((*proof.nodes, b"\x80\x00" + bytes(32)), proof.bucket)
    assert not verify_state_proof(root, b"key/1", b"v", longer)
    assert not verify_state_proof(bytes(31) + b"\x01", b"key/1", b"v", proof)


def test_a_proof_with_any_flipped_byte_fails() -> None:
    store = Store()
    root = store.write({key: b"v" for key in keys(20)})
    proof = store.tree.prove(b"key/7")
    for which, node in enumerate(proof.nodes):
        for at in range(len(node)):
            nodes = list(proof.nodes)
            nodes[which] = node[:at] + bytes([node[at] ^ 1]) + node[at + 1 :]
            assert not verify_state_proof(root, b"key/7", b"v", StateProof(tuple(nodes), proof.bucket))
    for at in range(len(proof.bucket)):
        bucket = proof.bucket[:at] + bytes([proof.bucket[at] ^ 1]) + proof.bucket[at + 1 :]
        assert not verify_state_proof(root, b"key/7", b"v", StateProof(proof.nodes, bucket))


@quick
@given(st.lists(st.binary(max_size=80), max_size=5), st.binary(max_size=130))
def test_garbage_under_a_real_root_is_no_proof(nodes: list[bytes], bucket: bytes) -> None:
    store = Store()
    root = store.write({key: b"v" for key in keys(20)})
    for value in (b"v", None):
        assert not verify_state_proof(root, b"key/7", value, StateProof(tuple(nodes), bucket))
