"""Sealed parts on the node's disk."""

from chainnode.node.stash import Stash
from tests.ledger.world import digest32, id16
from tests.store.memory import MemoryChainStore


def test_parts_are_found_by_their_digest_and_by_no_other():
    stash = Stash(MemoryChainStore())
    digest = stash.keep([(id16("b"), b"two"), (id16("a"), b"one")])
    assert stash.parts(digest) == {id16("a"): b"one", id16("b"): b"two"}
    assert stash.parts(digest32("other")) == {} and stash.parts(b"") == {}
    assert stash.keep([(id16("a"), b"one"), (id16("b"), b"two")]) == digest, "in any order"


def test_delivered_parts_are_kept_by_request_object_and_role():
    rows = MemoryChainStore()
    Stash(rows).deliver(
        id16("r"),
        [(id16("a"), "provider", b"one"), (id16("a"), "patient", b"two")],
        [(id16("a"), id16("pseudonym"))],
    )
    stash = Stash(rows)
    assert stash.delivered(id16("r"), id16("a"), "provider") == b"one"
    assert stash.delivered(id16("r"), id16("a"), "patient") == b"two"
    assert stash.pseudonym(id16("r"), id16("a")) == id16("pseudonym")
    for request, one in ((id16("other"), id16("a")), (id16("r"), id16("b"))):
        assert stash.delivered(request, one, "provider") is None
        assert stash.pseudonym(request, one) is None
