"""`python -m bench.network.node --home HOME`: the daemon as it is, and two additions to measure it.

A feed (bench/load/feed.py) at HOME/run/feed.sock calls the node's NodeApi as the gateway does; a request with
the number CONTROL asks it to forget the stages seen so far (`begin`) or to write those seen since, with its
threads' CPU time, to HOME/stages.json (`report`).
"""

import argparse
import asyncio
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from bench.curves import NodeStages
from bench.load.cpu import threads_ns
from bench.load.feed import Answer, FeedServer
from bench.network.spans import Watch
from chainnode.gateway.server import Gateway
from chainnode.node import daemon
from chainnode.node.api import NodeApi, Outcome
from chainnode.node.config import SocketConfig, load_config
from genesis.errors import OperatorError

FEED_NAME, REPORT_NAME = "feed.sock", "stages.json"
CONTROL = 0xFFFF_FFFF
BEGIN, REPORT = b"begin", b"report"
TIMEOUT_MS = 60_000
CLIENTS = 4
"""As many names of clients as the feed stands for: a node shares its queue out among them."""


class Feed:
    """Submits what comes, each transaction by itself."""

    def __init__(self, api: NodeApi, home: Path, watch: Watch) -> None:
        self._api = api
        self._home = home
        self._watch = watch
        self._tasks: set[asyncio.Task[None]] = set()
        self._began = time.monotonic(), threads_ns()

    def take(self, feed: FeedServer, number: int, request: bytes) -> None:
        if number == CONTROL:
            self._control(request)
            feed.answer(number, Answer.COMMITTED)
            return
        task = asyncio.get_running_loop().create_task(self._submit(feed, number, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _submit(self, feed: FeedServer, number: int, submission: bytes) -> None:
        try:
            result = await self._api.submit(
                submission, (), client=f"feed-{number % CLIENTS}", timeout_ms=TIMEOUT_MS
            )
        except OperatorError:  # below the disk's reserve
            feed.answer(number, Answer.REFUSED)
            return
        committed = result.outcome is Outcome.COMMITTED and result.code == "ok"
        others = {Outcome.BUSY: Answer.BUSY, Outcome.PENDING: Answer.LATE}
        feed.answer(number, Answer.COMMITTED if committed else others.get(result.outcome, Answer.REFUSED))

    def _control(self, request: bytes) -> None:
        since, before = self._began
        if request == BEGIN:
            self._watch.moments.clear()
            self._began = time.monotonic(), threads_ns()
            return
        threads = {name: (spent - before.get(name, 0)) / 1e9 for name, spent in threads_ns().items()}
        found = NodeStages(time.monotonic() - since, self._watch.moments.stages(), threads)
        (self._home / REPORT_NAME).write_bytes(msgspec.json.encode(found))


def feeding_gateway(home: Path, watch: Watch) -> type[Gateway]:
    """A gateway that opens the feed beside its sockets."""

    class Feeding(Gateway):
        def __init__(self, api: NodeApi, configs: tuple[SocketConfig, ...], *rest: Any) -> None:
            super().__init__(api, configs, *rest)
            self._feed = Feed(api, home, watch)

        async def start(self) -> None:
            await super().start()
            path = home / "run" / FEED_NAME
            path.unlink(missing_ok=True)
            loop = asyncio.get_running_loop()
            self._feeds = await loop.create_unix_server(lambda: FeedServer(self._feed.take), str(path))

    return Feeding


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    home: Path = parser.parse_args().home
    watch = Watch()
    with ExitStack() as stack:
        for one in watch.patches():
            stack.enter_context(one)
        stack.enter_context(patch.object(daemon, "Gateway", feeding_gateway(home, watch)))
        try:
            daemon.run(load_config(home))
        except OperatorError as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(error.code.exit_code)


if __name__ == "__main__":
    main()
