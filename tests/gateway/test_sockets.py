"""Where sockets stand, who gets in, and what is in their way."""

import os
import socket
import stat

import pytest

from chainnode.gateway import sockets
from chainnode.gateway.client import GatewayClient
from chainnode.node.api import Role
from genesis.errors import EXIT_IN_USE, OperatorError
from tests.gateway.fake import STATUS, FakeNode, socket_config


@pytest.fixture
async def opened(serve):
    async def start(*configs):
        return await serve(FakeNode(), *configs)

    return start


async def test_a_socket_has_the_mode_of_the_configuration(opened, folder):
    await opened(socket_config(folder, mode=0o600), socket_config(folder, Role.SYSADMIN))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"steward.sock": 0o600, "sysadmin.sock": 0o660}


async def test_a_tight_umask_does_not_shut_the_folder_of_sockets(opened, folder):
    before = os.umask(0o077)
    try:
        await opened(socket_config(folder))
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o711


async def test_a_socket_is_never_reachable_before_it_has_its_mode(opened, folder, monkeypatch):
    seen = []

    def publish(config, original=sockets.publish):
        bound = folder / ".steward" / "s"
        assert bound.is_socket() and not config.path.exists()
        seen.append(stat.S_IMODE(bound.parent.stat().st_mode))
        original(config)

    monkeypatch.setattr(sockets, "publish", publish)
    await opened(socket_config(folder))
    assert seen == [0o700]


async def test_nothing_is_left_behind_after_stop(opened, folder):
    server = await opened(socket_config(folder))
    await server.stop(0)
    assert list(folder.iterdir()) == []


async def test_a_socket_left_by_a_dead_process_is_replaced(opened, folder):
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "steward.sock"))
    await opened(socket_config(folder))
    async with GatewayClient(folder / "steward.sock") as client:
        assert await client.status() == STATUS


async def test_a_socket_in_use_is_left_alone_and_the_others_are_closed_again(opened, folder):
    await opened(socket_config(folder))
    with pytest.raises(OperatorError) as caught:
        await opened(socket_config(folder, Role.SYSADMIN), socket_config(folder))
    assert caught.value.code.code == "GTW-02"
    assert caught.value.code.exit_code == EXIT_IN_USE
    assert not (folder / "sysadmin.sock").exists()
    async with GatewayClient(folder / "steward.sock") as client:
        assert await client.status() == STATUS


async def test_a_file_of_the_sockets_name_is_left_alone(opened, folder):
    folder.mkdir()
    (folder / "steward.sock").write_text("notes")
    with pytest.raises(OperatorError, match="is not a socket"):
        await opened(socket_config(folder))
    assert (folder / "steward.sock").read_text() == "notes"


async def test_a_path_of_107_bytes_works_and_one_more_is_refused(opened, tmp_path):
    room = sockets.MAX_PATH_BYTES - len(os.fsencode(tmp_path)) - len("/") - len("/steward.sock")
    fits, too_long = tmp_path / ("x" * room), tmp_path / ("x" * (room + 1))
    await opened(socket_config(fits))
    async with GatewayClient(fits / "steward.sock") as client:
        assert await client.status() == STATUS
    with pytest.raises(OperatorError) as caught:
        await opened(socket_config(too_long))
    assert caught.value.code.code == "GTW-03"
    assert "108 bytes, Unix allows 107" in caught.value.what
    with pytest.raises(OperatorError, match="GTW-03"):
        await GatewayClient(too_long / "steward.sock").__aenter__()


async def test_odd_characters_in_the_path_are_taken_literally(opened, tmp_path):
    folder = tmp_path / "a %41?#b"
    await opened(socket_config(folder))
    async with GatewayClient(folder / "steward.sock") as client:
        assert await client.status() == STATUS


async def test_an_unknown_group_is_named_and_no_socket_stays(opened, folder):
    with pytest.raises(OperatorError) as caught:
        await opened(socket_config(folder, group="no-such-group"))
    assert caught.value.code.code == "GTW-04"
    assert "no-such-group" in caught.value.what
    assert "sockets.steward.owner" in caught.value.next_step
    assert list(folder.iterdir()) == []
