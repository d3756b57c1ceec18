"""Hosts in network namespaces of their own, and what befalls the packets between them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from tests.localnet.consortium import Consortium
from tests.realnet.switch import address

PORT = 7400


def not_permitted() -> str:
    """Why this machine cannot run the suite; empty if it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "iproute2's `ip` is missing"
    if not Path("/dev/net/tun").exists():
        return "/dev/net/tun is missing"
    probe = f"cnp{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", probe], capture_output=True, check=False)
    return "" if made.returncode == 0 else f"network namespaces are not permitted: {made.stderr.strip()}"


class Lan:
    """`count` hosts on one switch. The switch and its namespaces are gone when the block is left."""

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._prefix = f"cn{os.getpid()}x"
        self._switch = subprocess.Popen(
            [sys.executable, "-m", "tests.realnet.switch", self._prefix, str(count), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._expect("ready")

    def _expect(self, word: str) -> None:
        assert self._switch.stdout is not None
        line = self._switch.stdout.readline().strip()
        assert line == word, f"the switch said {line!r}, it ended with {self._switch.poll()}"

    def within(self, number: int) -> tuple[str, ...]:
        """What a host's commands begin with; `ip netns exec` becomes the command and hands on its pid."""
        return ("ip", "netns", "exec", f"{self._prefix}{number}")

    def weather(
        self, *, delay_ms: float = 0.0, loss: float = 0.0, cut: Iterable[tuple[int, int]] = ()
    ) -> None:
        """From now on: a delay one way, a share of packets lost, (from, to) pairs that nothing passes."""
        assert self._switch.stdin is not None
        order = {"delay_ms": delay_ms, "loss": loss, "cut": [list(pair) for pair in cut]}
        self._switch.stdin.write(json.dumps(order) + "\n")
        self._switch.stdin.flush()
        self._expect("done")

    def partition(self, *groups: Iterable[int]) -> None:
        """Only hosts of one group reach each other."""
        home = {host: place for place, group in enumerate(groups) for host in group}
        hosts = range(self._count)
        self.weather(cut=[(a, b) for a in hosts for b in hosts if home.get(a, -1) != home.get(b, -2)])

    def heal(self) -> None:
        self.weather()

    def __enter__(self) -> "Lan":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._switch.stdin is not None and self._switch.stdout is not None
        self._switch.stdin.close()
        self._switch.wait()
        self._switch.stdout.close()


def settle(consortium: Consortium) -> None:
    """Move the members from the loopback into the Lan: each listens on its host's address."""
    for hospital in consortium.hospitals:
        text = hospital.made.config_file.read_text()
        for other in consortium.hospitals:
            text = text.replace(f"127.0.0.1:{other.port}", f"{address(other.number)}:{PORT}")
        text = text.replace("127.0.0.1", address(hospital.number))
        text = text.replace(f"port = {hospital.port}", f"port = {PORT}")
        hospital.made.config_file.write_text(text)
