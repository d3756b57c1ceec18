"""The feed's bytes, the open loop, and what a tally makes of the answers."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from nacl.exceptions import BadSignatureError

from bench.curves import Point, Sweep
from bench.load.cpu import cpu_ns, threads_ns
from bench.load.feed import REQUEST, Answer, FeedClient, FeedError, FeedServer, split_requests
from bench.load.messages import signed_messages, verify_message
from bench.load.openloop import Answered, Load, Sink, Tally, drive
from tests.bench.figures import point

LOAD = Load(rate_per_s=100.0, warm_s=0.1, measured_s=0.2, drain_s=5.0)


def request(number: int, data: bytes) -> bytes:
    return REQUEST.pack(4 + len(data), number) + data


def test_requests_are_split_wherever_the_bytes_were_cut() -> None:
    whole = request(7, b"abc") + request(8, b"") + request(9, b"x" * 500)
    for cut in range(len(whole) + 1):
        buffer = bytearray(whole[:cut])
        found = split_requests(buffer)
        buffer += whole[cut:]
        assert found + split_requests(buffer) == [(7, b"abc"), (8, b""), (9, b"x" * 500)]
        assert not buffer


@pytest.mark.parametrize("length", [0, 3, 65_537, 2**32 - 1])
def test_a_length_that_no_request_has_ends_the_feed(length: int) -> None:
    with pytest.raises(FeedError):
        split_requests(bytearray(REQUEST.pack(length, 0)))


async def test_what_goes_in_at_the_feed_is_answered_by_its_number(tmp_path: Path) -> None:
    def take(feed: FeedServer, number: int, data: bytes) -> None:
        feed.answer(number, Answer.BUSY if data == b"more" else Answer.COMMITTED)

    loop = asyncio.get_running_loop()
    path = tmp_path / "feed.sock"
    async with await loop.create_unix_server(lambda: FeedServer(take), str(path)):
        told: dict[int, Answer] = {}
        done = asyncio.Event()

        def answered(number: int, answer: Answer) -> None:
            told[number] = answer
            if len(told) == 2:
                done.set()

        client = await FeedClient.connect(path, answered)
        client.send([(4, b"one"), (2**32 - 1, b"more")])
        await done.wait()
        client.close()
    assert told == {4: Answer.COMMITTED, 2**32 - 1: Answer.BUSY}


class Replica:
    """Answers what it is sent by a rule, None for never."""

    def __init__(self, answered: Answered, rule: Callable[[int], Answer | None]) -> None:
        self._answered = answered
        self._rule = rule
        self.numbers: list[int] = []

    def send(self, items: Sequence[tuple[int, bytes]]) -> None:
        for number, _ in items:
            self.numbers.append(number)
            answer = self._rule(number)
            if answer is not None:
                self._answered(number, answer)

    def close(self) -> None:
        pass


async def driven(
    load: Load, rule: Callable[[int], Answer | None], replicas: int = 2
) -> tuple[Point, list[list[int]]]:
    made: list[Replica] = []

    async def connect(answered: Answered) -> list[Sink]:
        made.extend(Replica(answered, rule) for _ in range(replicas))
        return [*made]

    found = await drive(connect, [b""] * load.transactions, load)
    return found, [one.numbers for one in made]


async def test_the_replicas_take_turns_and_everything_leaves_once() -> None:
    found, numbers = await driven(LOAD, lambda _: Answer.COMMITTED)
    assert numbers == [list(range(0, 30, 2)), list(range(1, 30, 2))]
    assert found.committed == 20, "the warm-up is driven and not counted"
    assert found.late == found.busy == found.refused == 0


async def test_busy_refused_and_unanswered_are_counted_apart_and_are_no_goodput() -> None:
    kinds = [Answer.COMMITTED, Answer.BUSY, Answer.REFUSED, Answer.LATE, None]
    load = Load(rate_per_s=100.0, warm_s=0.0, measured_s=0.2, drain_s=0.0)
    found, _ = await driven(load, lambda number: kinds[number % 5])
    assert (found.committed, found.busy, found.refused, found.late) == (4, 4, 4, 8)


def test_latency_counts_from_when_a_transaction_was_due() -> None:
    at = [100.0]
    tally = Tally(4, clock=lambda: at[0])
    for number, moment in enumerate((100.5, 101.5, 103.0, 110.0)):
        at[0] = moment
        tally.answered(number, Answer.COMMITTED)
        tally.answered(number, Answer.REFUSED)  # a second answer says nothing
    load = Load(rate_per_s=1.0, warm_s=1.0, measured_s=3.0)
    found = tally.point(load, 100.0, 1.5, 0.5, 0.0)
    assert found.committed == 3 and found.refused == 0
    assert (found.p50_ms, found.max_ms) == (1_000.0, 7_000.0)
    assert found.goodput_per_s == pytest.approx(2 / 3), "one came after the time, one before"
    assert found.generator_share == 0.25


def test_the_knee_is_the_highest_rate_that_was_carried_or_the_peak() -> None:
    points = (point(10, 10), point(100, 70), point(200, 185), point(400, 150), point(800, 190))
    assert Sweep("s", "x", "X", points).knee_per_s == 200
    assert Sweep("s", "x", "X", points).peak_per_s == 190
    assert Sweep("s", "x", "X", (*points, point(1_600, 250))).knee_per_s == 250
    assert Sweep("s", "x", "X", (point(10, 5),)).knee_per_s == 5


def test_messages_differ_have_the_length_and_verify() -> None:
    messages = signed_messages(70, 206)
    assert {len(one) for one in messages} == {206} and len(set(messages)) == 70
    for one in messages:
        verify_message(one)
    with pytest.raises(BadSignatureError):
        verify_message(messages[0][:-1] + bytes([messages[0][-1] ^ 1]))


def test_cpu_time_is_that_of_the_processes_named_and_a_gone_one_has_none() -> None:
    assert cpu_ns([]) == cpu_ns([2**31 - 1]) == 0
    assert cpu_ns([1]) >= 0
    assert "MainThread" in threads_ns()
