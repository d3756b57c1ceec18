"""Where Prometheus reads the metrics, and what hostile clients of it cannot do."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from chainnode.gateway import scraping as scraping_module
from chainnode.gateway.scraping import CLIENTS, HEAD_BYTES, Scraping
from tests.node.stand_ins import Clock, Log, stopped, until

TEXT = b"# TYPE chainnode_height gauge\nchainnode_height 7.0\n"
GET = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n"
LONG_MS, SHORT_MS = 60_000, 200


class Text:
    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> bytes:
        self.made += 1
        return TEXT


@asynccontextmanager
async def served(
    text: Callable[[], bytes],
    *,
    host: str = "127.0.0.1",
    client_ms: int = LONG_MS,
    clock: Clock | None = None,
) -> AsyncIterator[int]:
    """The port that it is served on."""
    scraping = Scraping((host, 0), text, Log(), client_ms=client_ms, clock=clock or Clock())  # type: ignore[arg-type]
    running = asyncio.create_task(scraping.run())
    await until(lambda: scraping.port is not None)
    try:
        yield scraping.port or 0
    finally:
        await stopped(running)


async def answer(port: int, request: bytes, *, host: str = "127.0.0.1", end: bool = False) -> bytes:
    """All that comes until the node closes; empty where it closes without an answer."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            if end:
                writer.write_eof()
            return await reader.read()
        return b""
    finally:
        writer.close()


async def in_the_end(port: int) -> bytes:
    """A scrape's answer where clients have little time: on a busy machine an honest one may be late too."""
    got = b""
    for _ in range(100):
        got = await answer(port, GET)
        if got:
            break
    return got


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_scrape_gets_the_text_and_the_connection_is_closed(host: str):
    async with served(Text(), host=host) as port:
        head, _, body = (await answer(port, GET, host=host)).partition(b"\r\n\r\n")
    assert body == TEXT
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK" and b"Connection: close" in lines
    assert f"Content-Length: {len(TEXT)}".encode() in lines
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in lines


async def test_a_head_request_gets_the_length_alone():
    async with served(Text()) as port:
        got = await answer(port, GET.replace(b"GET", b"HEAD"))
    assert got.endswith(b"\r\n\r\n") and f"Content-Length: {len(TEXT)}".encode() in got


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (GET.replace(b"/metrics", b"/metrics?name=x"), b"200"),
        (GET.replace(b"/metrics", b"/"), b"404"),
        (GET.replace(b"/metrics", b"/metrics/../status"), b"404"),
        (GET.replace(b"/metrics", b"http://127.0.0.1/metrics"), b"404"),
        (GET.replace(b"GET", b"POST"), b"405"),
        (GET.replace(b"GET", b"get"), b"405"),
        (GET.replace(b"HTTP/1.1", b"HTTP/2.0"), b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (b"GET /metrics\r\n\r\n", b"400"),
    ],
)
async def test_whatever_is_not_a_scrape_is_told_so(request_: bytes, status: bytes):
    async with served(Text()) as port:
        assert (await answer(port, request_)).startswith(b"HTTP/1.1 " + status + b" ")


async def test_garbage_does_no_harm_and_makes_no_text():
    text = Text()
    async with served(text) as port:
        for garbage in (bytes(HEAD_BYTES), os.urandom(4 * HEAD_BYTES), b"GET " * HEAD_BYTES, b"\x16\x03\x01"):
            got = await answer(port, garbage, end=True)
            assert got == b"" or got.startswith(b"HTTP/1.1 400 ")
        assert await answer(port, b"", end=True) == b"HTTP/1.1 400 Bad Request\r\n" + (
            b"Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
        assert text.made == 0
        assert (await answer(port, GET)).endswith(TEXT)


async def test_clients_that_say_nothing_are_closed_and_the_next_one_is_served():
    async with served(Text(), client_ms=SHORT_MS) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2 * CLIENTS)]
        assert (await in_the_end(port)).endswith(TEXT)
        for reader, writer in silent:
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()


async def test_a_client_that_drips_its_request_is_closed():
    async with served(Text(), client_ms=SHORT_MS) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"X")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SHORT_MS / 20_000):
                        assert await reader.read() == b""
        writer.close()
        assert (await in_the_end(port)).endswith(TEXT)


async def test_a_client_that_never_reads_holds_no_more_than_its_slot():
    big = b"#" * 8_000_000
    async with served(lambda: big) as port:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            deaf.connect(("127.0.0.1", port))
            deaf.sendall(GET)
            assert (await answer(port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404 ")


async def test_no_more_clients_are_served_at_a_time_than_there_are_slots(monkeypatch: pytest.MonkeyPatch):
    served_now, most = 0, 0
    head = scraping_module._head

    async def counted(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> bytes:
        nonlocal served_now, most
        served_now += 1
        most = max(most, served_now)
        try:
            return await head(loop, connection)
        finally:
            served_now -= 1

    monkeypatch.setattr(scraping_module, "_head", counted)
    async with served(Text()) as port:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3 * CLIENTS)]
        await until(lambda: served_now == CLIENTS)
        for _, writer in silent:
            writer.close()
        assert (await answer(port, GET)).endswith(TEXT)
    assert most == CLIENTS


async def test_a_process_without_a_file_descriptor_left_serves_again_once_it_has_one(
    monkeypatch: pytest.MonkeyPatch,
):
    log, loop = Log(), asyncio.get_running_loop()
    scraping = Scraping(("127.0.0.1", 0), Text(), log, retry_ms=1, clock=Clock())  # type: ignore[arg-type]
    accept, failures = loop.sock_accept, [OSError(errno.EMFILE, "Too many open files")] * (2 * CLIENTS)

    async def failing(listener: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise failures.pop()
        return await accept(listener)

    monkeypatch.setattr(loop, "sock_accept", failing)
    running = asyncio.create_task(scraping.run())
    await until(lambda: not failures)
    assert scraping.port is not None and (await answer(scraping.port, GET)).endswith(TEXT)
    assert log.said("metrics: nobody let in") == 2 * CLIENTS
    await stopped(running)


async def test_many_scrapes_at_a_time_share_one_text_and_a_later_one_gets_a_new_one():
    text, clock = Text(), Clock()
    async with served(text, clock=clock) as port:
        answers = await asyncio.gather(*(answer(port, GET) for _ in range(20)))
        assert all(one.endswith(TEXT) for one in answers) and text.made == 1
        clock.pass_ms(scraping_module.FRESH_MS)
        await answer(port, GET)
        assert text.made == 2


async def test_a_fault_in_making_the_text_is_logged_and_told_and_ends_nothing():
    def faulty() -> bytes:
        raise KeyError("a fault of ours")

    async with served(faulty) as port:
        for _ in range(2):
            assert (await answer(port, GET)).startswith(b"HTTP/1.1 500 ")


async def test_a_port_that_is_taken_is_an_alarm_until_it_is_free_and_ends_nothing():
    log = Log()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        scraping = Scraping(("127.0.0.1", port), Text(), log, retry_ms=1, clock=Clock())  # type: ignore[arg-type]
        running = asyncio.create_task(scraping.run())
        await until(lambda: scraping.trouble != "")
        assert f"127.0.0.1 port {port}: Address already in use" in scraping.trouble
        assert "metrics.listen" in scraping.trouble and scraping.port is None
    await until(lambda: scraping.port == port)
    assert scraping.trouble == "" and log.said("metrics not served") == 1
    assert (await answer(port, GET)).endswith(TEXT)
    await stopped(running)


async def test_nothing_listens_where_nothing_is_configured():
    scraping = Scraping(None, Text(), Log())  # type: ignore[arg-type]
    await scraping.run()
    assert scraping.port is None and scraping.trouble == ""
