"""`python -m tests.realnet.switch PREFIX COUNT SEED`: a small network of its own, packet by packet.

Each host is a network namespace PREFIX0, PREFIX1, ... with the address 10.77.0.(number + 1) and one TUN
device. The device's other end is this process: it forwards, delays, loses and cuts what passes, in one
direction or in both. It needs root and /dev/net/tun, not the kernel's netem module. Orders come as JSON lines
on stdin, each answered by a line "done"; where stdin ends (the test is over, or was killed) all of it is
taken away.
"""

import fcntl
import heapq
import json
import os
import selectors
import struct
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

NETWORK = "10.77.0."
MTU_BYTES = 1_500
QUEUE_PACKETS = 20_000
"""More in flight are dropped, as a full router does."""
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_DESTINATION_AT, _IPV4_HEADER_BYTES = 16, 20


def address(number: int) -> str:
    return f"{NETWORK}{number + 1}"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def open_tun(name: str) -> int:
    """A TUN device without a packet header of its own; lives as long as the descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@dataclass
class Weather:
    """What befalls packets. `cut`: (from, to) pairs that nothing passes; `delay_ms` is one way."""

    delay_ms: float = 0.0
    loss: float = 0.0
    cut: frozenset[tuple[int, int]] = frozenset()


def weather_of(order: dict[str, Any]) -> Weather:
    return Weather(
        float(order.get("delay_ms", 0)),
        float(order.get("loss", 0)),
        frozenset((int(one), int(other)) for one, other in order.get("cut", ())),
    )


@dataclass
class Switch:
    devices: list[int]
    random: Random
    weather: Weather = field(default_factory=Weather)
    _flying: list[tuple[float, int, int, bytes]] = field(default_factory=list)
    _count: int = 0

    def take(self, source: int) -> None:
        """Everything that a host has sent."""
        while True:
            try:
                packet = os.read(self.devices[source], MTU_BYTES + 64)
            except BlockingIOError:
                return
            target = self._target(packet)
            weather = self.weather
            if target is None or (source, target) in weather.cut or len(self._flying) >= QUEUE_PACKETS:
                continue
            if weather.loss and self.random.random() < weather.loss:
                continue
            self._count += 1
            due = time.monotonic() + weather.delay_ms / 1000
            heapq.heappush(self._flying, (due, self._count, target, packet))

    def _target(self, packet: bytes) -> int | None:
        if len(packet) < _IPV4_HEADER_BYTES or packet[0] >> 4 != 4:
            return None
        *network, host = packet[_DESTINATION_AT : _DESTINATION_AT + 4]
        number = host - 1
        inside = ".".join(map(str, network)) + "." == NETWORK
        return number if inside and 0 <= number < len(self.devices) else None

    def deliver(self) -> float | None:
        """What is due; seconds until the next, None where nothing flies."""
        while self._flying:
            due, _, target, packet = self._flying[0]
            wait = due - time.monotonic()
            if wait > 0:
                return wait
            heapq.heappop(self._flying)
            try:
                os.write(self.devices[target], packet)
            except BlockingIOError:
                continue  # the host's own queue is full: lost, as on a wire
        return None

    def run(self) -> None:
        """Until stdin ends."""
        with selectors.DefaultSelector() as selector:
            for number, device in enumerate(self.devices):
                selector.register(device, selectors.EVENT_READ, number)
            selector.register(sys.stdin, selectors.EVENT_READ, None)
            while True:
                for key, _ in selector.select(self.deliver()):
                    if key.data is not None:
                        self.take(key.data)
                        continue
                    line = sys.stdin.readline()
                    if not line:
                        return
                    self.weather = weather_of(json.loads(line))
                    print("done", flush=True)


def build(prefix: str, count: int) -> list[int]:
    """Namespaces and devices; the devices' descriptors."""
    devices = []
    for number in range(count):
        name, space = f"{prefix}{number}", f"{prefix}{number}"
        _ip("netns", "add", space)
        devices.append(open_tun(name))
        _ip("link", "set", name, "netns", space)
        _ip("-n", space, "addr", "add", f"{address(number)}/24", "dev", name)
        _ip("-n", space, "link", "set", name, "mtu", str(MTU_BYTES), "up")
        _ip("-n", space, "link", "set", "lo", "up")
    return devices


def take_away(prefix: str, numbers: Iterable[int]) -> None:
    """The namespaces of this very prefix; a TUN device goes with its descriptor."""
    for number in numbers:
        subprocess.run(["ip", "netns", "del", f"{prefix}{number}"], capture_output=True, check=False)


def main() -> int:
    prefix, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    try:
        switch = Switch(build(prefix, count), Random(seed))
        print("ready", flush=True)
        switch.run()
    finally:
        take_away(prefix, range(count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
