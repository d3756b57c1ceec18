"""Nothing but the documented refusal comes out of a decoder, whatever goes in, and memory and work stay
within a multiple of the input."""

import sys
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.damage import damaged, hostile
from tests.fuzz.formats import LIMIT, Format, formats

NAMES = list(formats())
QUICK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
HOSTILE = hostile(1 << 16)
MEMORY_TIMES = 100
"""Bytes of memory for one byte of input: an empty list takes 64 and is spelled in one."""
MEMORY_SPARE = 1 << 20
CALLS_PER_BYTE = 8
CALLS_SPARE = 50_000


def find(name: str) -> Format:
    return formats()[name]


@pytest.mark.parametrize("name", NAMES)
def test_good_examples_are_read(name: str):
    assert any(find(name).taken(example) for example in find(name).examples)


@pytest.mark.parametrize("name", NAMES)
@settings(QUICK)
@given(data=st.data())
def test_damaged_examples_give_the_documented_refusal_or_are_read(name: str, data: st.DataObject):
    one = find(name)
    example = data.draw(st.sampled_from(one.examples))
    one.taken(data.draw(damaged(one.spelling, example)))


@pytest.mark.parametrize("name", NAMES)
@settings(QUICK)
@given(data=st.binary(max_size=400))
def test_any_bytes_give_the_documented_refusal_or_are_read(name: str, data: bytes):
    find(name).taken(data)


@pytest.mark.parametrize("name", NAMES)
def test_what_claims_to_be_huge_or_deep_costs_a_multiple_of_its_length(name: str):
    one = find(name)
    one.taken(one.examples[0])
    for kind, data in HOSTILE.items():
        spent = memory_of(lambda data=data: one.taken(data))
        assert spent <= MEMORY_TIMES * len(data) + MEMORY_SPARE, f"{kind}: {spent} bytes for {len(data)}"
        calls = calls_of(lambda data=data: one.taken(data))
        assert calls <= CALLS_PER_BYTE * len(data) + CALLS_SPARE, f"{kind}: {calls} calls for {len(data)}"


@pytest.mark.parametrize("name", ["consensus message", "transaction", "batch", "frame between nodes"])
def test_more_than_the_limit_is_refused_unread(name: str):
    data = bytes(LIMIT + 1)
    assert memory_of(lambda: find(name).taken(data)) < 10_000
    assert not find(name).taken(data)


def memory_of(work: Callable[[], object]) -> int:
    """The most that was held while it ran, in bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def calls_of(work: Callable[[], object]) -> int:
    """How many functions were called: what stands here for time, and is the same on every machine."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count
