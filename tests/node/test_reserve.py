"""The disk's reserve, on a disk whose free bytes the test says."""

import asyncio
from pathlib import Path

import pytest

from chainnode.node import reserve as reserve_module
from chainnode.node.reserve import MB, RESUME_SHARE, STOP_SHARE, DiskReserve, free_bytes
from genesis.errors import EXIT_ENVIRONMENT, OperatorError
from tests.node.stand_ins import Log, until

RESERVE = 512 * MB


class Disk:
    def __init__(self, free: int) -> None:
        self.free, self.log = free, Log()
        self.reserve = DiskReserve(Path("/home"), RESERVE, self.log, lambda _: self.free)  # type: ignore[arg-type]

    def falls_to(self, free: int) -> None:
        self.free = free
        self.reserve.look()


def test_with_room_everything_is_taken_in():
    disk = Disk(RESERVE)
    disk.reserve.look()
    disk.reserve.check()
    assert disk.reserve.trouble == "" and not disk.log.lines


def test_below_the_reserve_nothing_is_taken_in_until_there_is_room_again():
    disk = Disk(RESERVE)
    disk.falls_to(RESERVE - 1)
    disk.falls_to(RESERVE - 2)
    with pytest.raises(OperatorError) as refused:
        disk.reserve.check()
    assert refused.value.code.code == "NOD-03" and refused.value.code.exit_code == EXIT_ENVIRONMENT
    assert "511 MB free, 512 MB are the reserve" in disk.reserve.trouble
    assert disk.log.said("disk nearly full: nothing new is taken in") == 1
    disk.falls_to(RESERVE)
    with pytest.raises(OperatorError):
        disk.reserve.check()
    disk.falls_to(RESERVE + RESERVE // RESUME_SHARE)
    disk.reserve.check()
    assert disk.log.said("room on the disk again") == 1


def test_a_start_below_the_reserve_takes_nothing_in_from_the_first_moment():
    with pytest.raises(OperatorError):
        Disk(RESERVE - 1).reserve.check()


async def test_before_the_disk_is_full_the_node_is_stopped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reserve_module, "LOOK_EVERY_MS", 1)
    disk = Disk(RESERVE)
    running = asyncio.create_task(disk.reserve.run())
    disk.free = RESERVE // STOP_SHARE
    await until(lambda: disk.reserve.trouble != "")
    assert not running.done(), "consensus goes on"
    disk.free -= 1
    with pytest.raises(OperatorError) as stopped:
        await running
    assert stopped.value.code.code == "NOD-04" and stopped.value.code.exit_code == EXIT_ENVIRONMENT


def test_a_reserve_of_nothing_never_stops_anything(tmp_path: Path):
    reserve = DiskReserve(tmp_path, 0, Log(), lambda _: 0)  # type: ignore[arg-type]
    reserve.look()
    reserve.check()
    assert free_bytes(tmp_path) > 0
