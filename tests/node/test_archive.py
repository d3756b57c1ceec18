"""A backup's bytes: what was written comes back, and nothing else passes for it."""

from collections.abc import Iterator
from io import BytesIO

import pytest
from msgspec import structs

from chainnode.node.archive import MAGIC, PIECE_BYTES, ArchiveError, Entry, Header, Reader, Writer
from chainnode.vault.keys import verify
from consensus.codec import encode
from tests.ledger.world import digest32
from tests.node.stand_ins import signing_key

KEY = signing_key("a node")
HEADER = Header(1, digest32("chain"), "net", "hospital-a", KEY.public, 5, 7, 3, 9, "inside")
ENTRIES = {"config": b"text", "rows/000000": bytes(PIECE_BYTES + 5), "wraps/" + "ab" * 16: b""}


def pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


def written(entries: dict[str, bytes] | None = None, header: Header = HEADER) -> bytes:
    writer = Writer(header, KEY.sign)
    data = writer.begin()
    for name, content in (ENTRIES if entries is None else entries).items():
        data += b"".join(writer.entry(name, len(content), pieces(content)))
    return data + writer.end()


def read(data: bytes) -> dict[str, bytes]:
    source = BytesIO(data)
    assert source.read(len(MAGIC)) == MAGIC
    reader = Reader(source, verify)
    assert reader.header == HEADER
    return {entry.name: b"".join(entry.data) for entry in reader.entries()}


def test_entries_come_back_in_order_and_whole():
    assert read(written()) == ENTRIES
    assert read(written({})) == {}


def test_the_same_content_gives_the_same_bytes():
    assert written() == written()


def test_a_file_that_was_cut_off_anywhere_is_refused():
    data = written({"config": b"text", "genesis": b"more"})
    for end in range(len(MAGIC), len(data)):
        with pytest.raises(ArchiveError):
            read(data[:end])


def test_a_flipped_byte_anywhere_is_refused():
    data = written({"config": b"text", "genesis": b"more"})
    for at in range(len(MAGIC), len(data)):
        with pytest.raises((ArchiveError, AssertionError)):
            read(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def test_an_entry_left_out_put_in_or_exchanged_is_refused():
    whole = written({"a": b"1", "b": b"2"})
    without = written({"a": b"1"})
    end = whole[whole.rindex(b"Z\x00") :]
    begin = without[: without.rindex(b"Z\x00")]
    for forged in (begin + end, whole + b"x", whole[: whole.rindex(b"Z\x00")] + without[len(begin) :]):
        with pytest.raises(ArchiveError):
            read(forged)


def test_another_keys_signature_at_the_end_is_refused():
    other = signing_key("another node")
    writer = Writer(HEADER, other.sign)
    with pytest.raises(ArchiveError, match="altered"):
        read(writer.begin() + writer.end())


def test_a_format_of_a_later_release_is_named():
    with pytest.raises(ArchiveError, match="format 2, this release knows 1"):
        read(written({}, structs.replace(HEADER, format=2)))


def test_frames_that_are_too_long_or_out_of_order_are_refused():
    begin = Writer(HEADER, KEY.sign).begin()
    entry = encode(Entry("a", 1))
    for tail in (
        b"D\x00\x00\x00\x011",
        b"D" + (PIECE_BYTES + 1).to_bytes(4, "big"),
        b"E" + (1 << 31).to_bytes(4, "big"),
        b"E" + len(entry).to_bytes(4, "big") + entry + b"D\x00\x00\x00\x0212",
        b"E" + len(entry).to_bytes(4, "big") + entry + b"E\x00\x00\x00\x00",
        b"?\x00\x00\x00\x00",
    ):
        with pytest.raises(ArchiveError):
            read(begin + tail)
