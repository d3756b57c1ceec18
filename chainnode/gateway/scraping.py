"""Where Prometheus reads: GET /metrics over HTTP on an address of this machine alone, if the configuration
names one.

Whoever has an account on the machine may connect, so nothing that a client does costs the node more than:
one connection accepted in `ACCEPT_EVERY_MS`, `CLIENTS` of them at a time with `HEAD_BYTES` and `CLIENT_MS`
each, the text made once in `FRESH_MS`. Whoever comes beyond that waits in the kernel, `BACKLOG` of them.
There is no keep-alive, no body is read, and no header looked at.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from structlog.stdlib import BoundLogger

from chainnode.node.clock import now
from consensus.types import Now

PATH = b"/metrics"
HEAD_BYTES = 8_192
CLIENTS = 8
CLIENT_MS = 2_000
BACKLOG = 64
ACCEPT_EVERY_MS = 10
FRESH_MS = 1_000
RETRY_MS = 10_000
"""After so long a port that was taken is tried again."""


class Scraping:
    """`trouble`: why nothing is served, in words; empty where it is, or is not to be."""

    def __init__(
        self,
        listen: tuple[str, int] | None,
        text: Callable[[], bytes],
        log: BoundLogger,
        *,
        client_ms: int = CLIENT_MS,
        retry_ms: int = RETRY_MS,
        clock: Callable[[], Now] = now,
    ) -> None:
        """`listen`: an IP address and a port (0: any free one), None: nowhere; `text`: makes the metrics."""
        self._listen = listen
        self._text = text
        self.log = log
        self._client_ms = client_ms
        self._retry_ms = retry_ms
        self._clock = clock
        self._slots = asyncio.Semaphore(CLIENTS)
        self._made: tuple[int, bytes] | None = None
        self.trouble = ""
        self.port: int | None = None
        """Where it listens now."""

    async def run(self) -> None:
        """Until cancelled; at once where nothing is to be served. A port that is taken is an alarm and does
        not stop the node: any user of this machine could take it."""
        if self._listen is None:
            return
        listener = self._open(*self._listen)
        while listener is None:
            await asyncio.sleep(self._retry_ms / 1_000)
            listener = self._open(*self._listen)
        with listener:
            async with asyncio.TaskGroup() as tasks:
                await self._accept(listener, tasks)

    def _open(self, host: str, port: int) -> socket.socket | None:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(BACKLOG)
            listener.setblocking(False)
        except OSError as error:
            listener.close()
            if not self.trouble:
                self.trouble = (
                    f"metrics are not served: {host} port {port}: {error.strerror} (metrics.listen)"
                )
                self.log.warning("metrics not served", host=host, port=port, because=error.strerror)
            return None
        self.trouble, self.port = "", listener.getsockname()[1]
        self.log.info("metrics served", host=host, port=self.port)
        return listener

    async def _accept(self, listener: socket.socket, tasks: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._slots.acquire()
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:  # such as: no file descriptor left
                self._slots.release()
                self.log.warning("metrics: nobody let in", because=error.strerror)
                await asyncio.sleep(self._retry_ms / 1_000)
                continue
            tasks.create_task(self._serve(connection))
            await asyncio.sleep(ACCEPT_EVERY_MS / 1_000)

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            # A client that is slow, or gone, is the client's affair.
            with connection, contextlib.suppress(OSError):
                connection.setblocking(False)
                async with asyncio.timeout(self._client_ms / 1_000):
                    head = await _head(loop, connection)
                    await loop.sock_sendall(connection, self._answer(head))
        finally:
            self._slots.release()

    def _answer(self, head: bytes) -> bytes:
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if not head.endswith(b"\r\n\r\n") or len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return _response("400 Bad Request")
        method, target, _ = words
        if target.partition(b"?")[0] != PATH:
            return _response("404 Not Found")
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed", "Allow: GET, HEAD")
        body = self._fresh()
        if body is None:
            return _response("500 Internal Server Error")
        answer = _response("200 OK", f"Content-Type: {CONTENT_TYPE_PLAIN_0_0_4}", body=body)
        return answer if method == b"GET" else answer[: -len(body)]

    def _fresh(self) -> bytes | None:
        """The text, at most `FRESH_MS` old; None where a fault of ours keeps it from being made: the node
        goes on without."""
        current_ms = self._clock().monotonic_ms
        if self._made is None or current_ms - self._made[0] >= FRESH_MS:
            try:
                self._made = current_ms, self._text()
            except Exception:
                self.log.exception("metrics.bug")
                self._made = None
        return None if self._made is None else self._made[1]


async def _head(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> bytes:
    """A request up to its empty line, or what there is of it at the end or at the bound."""
    head = b""
    while len(head) < HEAD_BYTES and b"\r\n\r\n" not in head:
        piece = await loop.sock_recv(connection, HEAD_BYTES - len(head))
        if not piece:
            break
        head += piece
    return head


def _response(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("ascii") + body
