"""The systems of the network suite: how each is started, fed and stopped."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from bench.load.feed import Answer, FeedClient
from bench.load.messages import signed_messages
from bench.load.openloop import Answered, Sink
from tests.localnet.consortium import free_ports

REPLICAS = 4
START_S, STOP_S, PAUSE_S = 60.0, 10.0, 0.05


class System(Protocol):
    """Four replicas on the loopback. `name` is short and stays, `title` says what it is."""

    name: str
    title: str

    async def start(self) -> None:
        """Until every replica takes transactions. Raises RuntimeError, with what its log says last."""
        ...

    async def connect(self, answered: Answered) -> list[Sink]: ...

    async def transactions(self, count: int) -> list[bytes]: ...

    def pids(self) -> list[int]:
        """The replicas' processes."""
        ...

    def load_pids(self) -> list[int]:
        """Processes that stand where clients would stand."""
        ...

    def stop(self) -> None: ...


async def listening(path: Path) -> bool:
    """Whether somebody listens: a socket is there before it does."""
    try:
        _, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    writer.close()
    return True


async def until_listening(paths: Sequence[Path], check: Callable[[], None] = lambda: None) -> None:
    """`check` is called while it takes. Raises TimeoutError."""
    deadline = time.monotonic() + START_S
    for path in paths:
        while not await listening(path):
            check()
            if time.monotonic() > deadline:
                raise TimeoutError(path)
            await asyncio.sleep(PAUSE_S)


async def connect_feeds(paths: Sequence[Path], answered: Answered) -> list[Sink]:
    return [await FeedClient.connect(path, answered) for path in paths]


class Processes:
    """Processes of ours and their logs; only these are ever signalled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start(self, name: str, command: Sequence[str | Path]) -> None:
        log = self._folder / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        self._running.append((process, log))

    def pids(self) -> list[int]:
        return [process.pid for process, _ in self._running]

    async def appear(self, paths: Sequence[Path]) -> None:
        """Wait until somebody listens at these. Raises RuntimeError where a process ended or time is over."""
        try:
            await until_listening(paths, self._check)
        except TimeoutError:
            raise RuntimeError(
                f"not ready after {START_S:.0f} s: {self._tail(self._running[0][1])}"
            ) from None

    def _check(self) -> None:
        for process, log in self._running:
            if process.poll() is not None:
                raise RuntimeError(f"{log.name}: ended with {process.returncode}: {self._tail(log)}")

    @staticmethod
    def _tail(log: Path) -> str:
        return " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])

    def stop(self) -> None:
        for process, _ in self._running:
            if process.poll() is None:
                process.terminate()
        for process, _ in self._running:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()


class FloorSystem:
    """bench/network/floor.py, four times, with messages of `size_bytes`."""

    name = "floor"
    title = "four processes that exchange the bytes and verify every signature once each"

    def __init__(self, folder: Path, size_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._feeds = [folder / f"{number}.sock" for number in range(REPLICAS)]
        self._processes = Processes(folder)
        self._size_bytes = size_bytes

    async def start(self) -> None:
        ports = ",".join(map(str, free_ports(REPLICAS)))
        for number, feed in enumerate(self._feeds):
            feed.unlink(missing_ok=True)
            self._processes.start(
                f"floor-{number}",
                [
                    *(sys.executable, "-m", "bench.network.floor", "--number", str(number)),
                    *("--feed", feed, "--ports", ports),
                ],
            )
        await self._processes.appear(self._feeds)

    async def connect(self, answered: Answered) -> list[Sink]:
        return await connect_feeds(self._feeds, answered)

    async def transactions(self, count: int) -> list[bytes]:
        return await asyncio.to_thread(signed_messages, count, self._size_bytes)

    def pids(self) -> list[int]:
        return self._processes.pids()

    def load_pids(self) -> list[int]:
        return []

    def stop(self) -> None:
        self._processes.stop()


async def ask(paths: Sequence[Path], number: int, request: bytes) -> list[Answer]:
    """One request to each feed; their answers."""

    async def one(path: Path) -> Answer:
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        client = await FeedClient.connect(path, lambda _, answer: told.set_result(answer))
        try:
            client.send([(number, request)])
            return await told
        finally:
            client.close()

    return list(await asyncio.gather(*map(one, paths)))
