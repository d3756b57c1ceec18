"""CometBFT and etcd, started on four loopback addresses and fed like everything else."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

from bench.load.messages import signed_messages
from bench.load.openloop import Answered, Sink
from bench.network.systems import REPLICAS, Processes, connect_feeds
from bench.peers.build import MissingError, build
from bench.results import Config
from tests.localnet.consortium import free_ports

INIT_SECONDS = 60
ETCD_PLACES = ("/usr/bin/etcd", "/usr/local/bin/etcd")


def settings(program: Path) -> Config:
    """Default and tuned values of what tuning changes, for the CONFIG block."""
    said = subprocess.run([program, "settings"], capture_output=True, text=True, check=True, timeout=30)
    found = json.loads(said.stdout)
    return {
        f"cometbft {name}": f"{found['default'][name]} (default), {found['tuned'][name]} (tuned)"
        for name in found["default"]
    }


class _Fed:
    """Messages of a given length over four feeds."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._size_bytes = size_bytes
        self._feeds = [folder / f"{number}.sock" for number in range(REPLICAS)]
        self._processes = Processes(folder)
        self._made = False

    def _forget_feeds(self) -> None:
        for feed in self._feeds:
            feed.unlink(missing_ok=True)

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


class CometBft(_Fed):
    """bench/peers/cometbft: four processes, each with a node and its application in it."""

    def __init__(self, folder: Path, size_bytes: int, program: Path, *, tuned: bool) -> None:
        super().__init__(folder, size_bytes)
        self._program = program
        self._tuned = tuned
        kind = "tuned" if tuned else "default"
        self.name = f"cometbft, {kind}"
        self.title = f"CometBFT, {kind} settings, Ed25519 checked by its application"

    async def start(self) -> None:
        if not self._made:
            ports = ",".join(map(str, free_ports(REPLICAS)))
            command = [str(self._program), "init", "--dir", str(self._folder), "--ports", ports]
            await asyncio.to_thread(lambda: subprocess.run(command, check=True, timeout=INIT_SECONDS))
            self._made = True
        self._forget_feeds()
        for number, feed in enumerate(self._feeds):
            self._processes.start(
                f"cometbft-{number}",
                [
                    *(self._program, "run", "--dir", self._folder, "--number", str(number), "--feed", feed),
                    *(["--tuned"] if self._tuned else []),
                ],
            )
        await self._processes.appear(self._feeds)


class Etcd(_Fed):
    """Four of Debian's etcd, and one process of ours that puts what is fed."""

    name = "etcd"
    title = "etcd, a put each: crash faults only, no signature is checked"

    def __init__(self, folder: Path, size_bytes: int, program: Path) -> None:
        super().__init__(folder, size_bytes)
        self._etcd = etcd_program()
        self._program = program
        self._ports = free_ports(2 * REPLICAS)
        self._putting = Processes(folder)

    async def start(self) -> None:
        self._forget_feeds()
        clients, peers = self._ports[:REPLICAS], self._ports[REPLICAS:]
        cluster = ",".join(f"n{number}=http://127.0.0.1:{port}" for number, port in enumerate(peers))
        for number in range(REPLICAS):
            client, peer = (f"http://127.0.0.1:{ports[number]}" for ports in (clients, peers))
            self._processes.start(
                f"etcd-{number}",
                [
                    *(self._etcd, "--name", f"n{number}", "--data-dir", self._folder / f"n{number}"),
                    *("--listen-client-urls", client, "--advertise-client-urls", client),
                    *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
                    *("--initial-cluster", cluster, "--initial-cluster-token", "bench"),
                    *("--log-level", "error", "--quota-backend-bytes", str(8 * 1024**3)),
                ],
            )
        endpoints = ",".join(f"127.0.0.1:{port}" for port in clients)
        feeds = ",".join(map(str, self._feeds))
        self._putting.start("etcd-feed", [self._program, "--endpoints", endpoints, "--feeds", feeds])
        await self._putting.appear(self._feeds)

    def load_pids(self) -> list[int]:
        return self._putting.pids()

    def stop(self) -> None:
        self._putting.stop()
        super().stop()


def etcd_program() -> str:
    """Raises MissingError."""
    found = shutil.which("etcd") or next((place for place in ETCD_PLACES if Path(place).is_file()), None)
    if found is None:
        raise MissingError("etcd is missing: apt-get install etcd-server")
    return found


def comet_program() -> Path:
    """Raises MissingError."""
    return build("cometbft")


def feed_of_etcd() -> Path:
    """Raises MissingError."""
    return build("etcd")
