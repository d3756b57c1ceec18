"""No byte of a receipt can be another: the ledger's verifier and the single file refuse it."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import cbor2
import pytest

from genesis import cbor
from tests.ledger.receipts import taken_apart
from tests.ledger.releases import Released, Story, stories
from tests.ledger.twoverifiers import of_the_file, of_the_ledger

PLACES_IN_A_VALUE, PLACES_IN_A_NAME = 8, 1
LEAST_MUTATIONS = 10_000
LISTS = ("transactions", "records", "nodes", "buckets", "pointers", "rows")


def sections(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Where the head, each name and each value of the map begins and ends, and how many places to try."""
    ends, at = [0, 1], 1
    for name, value in cbor2.loads(data).items():
        for part in (name, value):
            at += len(cbor2.dumps(part, canonical=True))
            ends.append(at)
    assert at == len(data)
    for number, (start, end) in enumerate(pairwise(ends)):
        wanted = PLACES_IN_A_NAME if number % 2 or not number else PLACES_IN_A_VALUE
        yield start, end, min(wanted, end - start)


def mutations(data: bytes) -> Iterator[bytes]:
    """One byte changed, at places spread evenly over each section; another bit or byte at each."""
    for start, end, count in sections(data):
        for number in range(count):
            at = start + number * (end - start) // count
            change = 1 << (at + number) % 8 if number % 2 else 1 + (at * 37 + number) % 255
            yield data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]


def both(one: Released, story: Story, data: bytes) -> tuple[str, str]:
    return of_the_ledger(data, one.scene.chain.founding), of_the_file(data, story.genesis)


def all_releases() -> list[tuple[Story, Released]]:
    return [(story, one) for story in stories() for one in story.found]


def test_both_refuse_every_one_byte_mutation_of_every_receipt() -> None:
    tried = 0
    for story, one in all_releases():
        for spoiled in mutations(one.data):
            verdicts = both(one, story, spoiled)
            assert all(verdicts), (verdicts, story.seed, one.release.request_id.hex())
            tried += 1
    assert tried >= LEAST_MUTATIONS, tried


def spliced(one: dict[str, Any], other: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Each section of the one exchanged for the other's, and the first item of each list."""
    for name, value in other.items():
        if name in one and one[name] != value:
            yield name, cbor.encode(one | {name: value})
            if name in LISTS and value and value[0] not in one[name]:
                yield name, cbor.encode(one | {name: [*value[:1], *one[name][1:]]})
                yield name, cbor.encode(one | {name: [*one[name], *value[:1]]})
    block = {name: other[name] for name in ("header", "certificate")}
    facts = {name: other[name] for name in LISTS}
    yield "block", cbor.encode(one | block)
    yield "facts", cbor.encode(one | facts)


def test_both_refuse_what_is_spliced_from_two_receipts() -> None:
    """Of one chain, and of two; a row alone may be missing where the decision is the same without it."""
    told, tried = all_releases(), 0
    for at, (story, one) in enumerate(told):
        if at % 3:
            continue
        for mate in (told[at - 1][1], told[(at + 40) % len(told)][1]):
            for name, data in spliced(taken_apart(one.data), taken_apart(mate.data)):
                verdicts = both(one, story, data)
                assert bool(verdicts[0]) == bool(verdicts[1]), (name, verdicts)
                less = [row in taken_apart(one.data)["rows"] for row in taken_apart(data)["rows"]]
                assert all(verdicts) or (name == "rows" and all(less)), (name, verdicts)
                tried += 1
    assert tried > 1_000


@pytest.mark.parametrize("name", LISTS)
def test_both_refuse_what_is_left_out_moved_or_doubled(name: str) -> None:
    for story, one in all_releases()[::9]:
        content = taken_apart(one.data)
        items: list[Any] = content[name]
        changed = [[*items, items[0]], [*items[1:], items[0]]] if len(items) > 1 else []
        changed += [items[:at] + items[at + 1 :] for at in range(len(items)) if name != "rows"]
        for less in changed:
            assert all(both(one, story, cbor.encode(content | {name: less})))


def test_a_row_that_is_missing_counts_as_erased_for_both() -> None:
    """Rows can be erased: without one the receipt verifies only where the decision is the same without."""
    outcomes = set()
    for story, one in all_releases():
        content = taken_apart(one.data)
        for at in range(len(content["rows"])):
            less = content["rows"][:at] + content["rows"][at + 1 :]
            ledgers, files = both(one, story, cbor.encode(content | {"rows": less}))
            assert bool(ledgers) == bool(files)
            outcomes.add(ledgers)
    assert {"", "verdict-differs"} <= outcomes


def spellings(content: dict[str, Any]) -> Iterator[bytes]:
    """The same content, or what Python takes for the same, in other bytes."""
    good = cbor2.dumps(content, canonical=True)
    yield cbor2.dumps(dict(sorted(content.items(), reverse=True)))
    yield cbor2.dumps(cbor2.CBORTag(55799, content), canonical=True)
    yield bytes([0xB8, good[0] & 31]) + good[1:]
    yield bytes([0xBF]) + good[1:] + b"\xff"
    yield good + b"\x00"
    yield cbor2.dumps(list(content.items()), canonical=True)
    for name, value in content.items():
        if isinstance(value, list):
            yield cbor2.dumps(content | {name: dict.fromkeys(map(str, value))}, canonical=True)
            yield cbor2.dumps(content | {name: None if value else b""}, canonical=True)
            yield cbor2.dumps(content | {name: [*value, []]}, canonical=True)
        elif isinstance(value, int):
            yield cbor2.dumps(content | {name: float(value)}, canonical=True)
            yield cbor2.dumps(content | {name: bool(value)}, canonical=True)
        elif isinstance(value, bytes):
            yield cbor2.dumps(content | {name: value.hex()}, canonical=True)
            yield cbor2.dumps(content | {name: value + b"\x00"}, canonical=True)
    first, second = content["transactions"][0]
    maps = [{first: 0, second: 1}, *content["transactions"][1:]]
    yield cbor2.dumps(content | {"transactions": maps}, canonical=True)
    for place in (True, False, 0.0, -1, 2**64 - 1, b"\x00"):
        root, _, encoded, siblings = content["pointers"][0]
        moved = [[root, place, encoded, siblings], *content["pointers"][1:]]
        yield cbor2.dumps(content | {"pointers": moved}, canonical=True)


def test_both_refuse_every_other_spelling() -> None:
    for story, one in all_releases()[::12]:
        for data in spellings(taken_apart(one.data)):
            assert all(both(one, story, data)), data[:40]
