"""Blocks without a certificate of their own: a later one vouches for them."""

from msgspec import structs

from chainnode.ledger.transaction import BatchBody, batch_ref
from chainnode.node.catchup import CatchUp
from chainnode.node.certified import CertifiedBlock, decode_blocks, encode_blocks
from chainnode.store.reading import StoredBlock
from consensus.codec import encode
from tests.ledger.world import Chain, verify


def made_chain(blocks: int) -> Chain:
    chain = Chain()
    for _ in range(blocks):
        chain.commit()
    return chain


def stored(chain: Chain, height: int, *, certified: bool) -> StoredBlock | None:
    if height >= len(chain.headers):
        return None
    body = BatchBody(0, height, height + 10, ())
    header = chain.headers[height]
    certificate = chain.certificate(header) if certified else None
    return StoredBlock(header, (batch_ref(body, encode(body)),), (), (), certificate)


def served(
    chain: Chain, certified: set[int], heights: range, limit_bytes: int = 100_000
) -> tuple[bytes, ...]:
    return encode_blocks(
        lambda height: stored(chain, height, certified=height in certified), heights, limit_bytes
    )


def believed(chain: Chain, data: tuple[bytes, ...], window: int = 16) -> tuple[list[int], str]:
    blocks, rule = decode_blocks(data, chain.chain_id, lambda _: chain.founding.replica_set(), verify, window)
    return [block.header.height for block in blocks], rule


def test_a_certificate_vouches_for_the_blocks_in_front_of_it():
    chain = made_chain(4)
    assert believed(chain, served(chain, {3, 4}, range(1, 5))) == ([1, 2, 3, 4], "")


def test_nothing_is_served_above_the_last_certificate():
    chain = made_chain(4)
    assert believed(chain, served(chain, {2}, range(1, 5))) == ([1, 2], "")
    assert served(chain, set(), range(1, 5)) == ()


def test_a_run_is_served_whole_even_where_it_exceeds_the_limit():
    chain = made_chain(4)
    assert believed(chain, served(chain, {1, 4}, range(1, 5), limit_bytes=1)) == ([1], "")
    assert believed(chain, served(chain, {1, 4}, range(2, 5), limit_bytes=1)) == ([2, 3, 4], "")


def test_no_more_than_a_window_of_blocks_rests_on_one_certificate():
    chain = made_chain(4)
    data = served(chain, {1, 4}, range(1, 5))
    assert believed(chain, data, window=3) == ([1, 2, 3, 4], "")
    assert believed(chain, data, window=2) == ([1], "no-certificate")


def test_blocks_that_no_certificate_follows_are_not_believed():
    chain = made_chain(3)
    data = [
        encode(CertifiedBlock(chain.headers[n], stored(chain, n, certified=False).refs, None)) for n in (1, 2)
    ]
    assert believed(chain, tuple(data)) == ([], "no-certificate")


def test_a_block_that_is_not_the_parent_of_a_proven_one_is_not_believed():
    chain = made_chain(3)
    data = list(served(chain, {3}, range(1, 4)))
    other = structs.replace(chain.headers[2], time_ms=chain.headers[2].time_ms + 1)
    data[1] = encode(CertifiedBlock(other, stored(chain, 2, certified=False).refs, None))
    assert believed(chain, tuple(data)) == ([], "parent")
    assert believed(chain, (data[0], data[2])) == ([], "parent")


def test_a_run_is_installed_when_all_of_it_is_here():
    chain = made_chain(4)
    blocks, _ = decode_blocks(
        served(chain, {3, 4}, range(1, 5)), chain.chain_id, lambda _: chain.founding.replica_set(), verify, 16
    )
    catchup = CatchUp()
    catchup.heard(1, 4)
    catchup.ask(0, 0)
    catchup.answered(1, blocks, 0)
    assert [block.header.height for block in catchup.next_run(0)] == [1, 2, 3]
    assert [block.header.height for block in catchup.next_run(3)] == [4]
    del catchup.held[2]
    assert catchup.next_run(0) == ()
