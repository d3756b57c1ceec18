"""The peers in the configuration are members of the network, and every member is among them."""

import pytest

from chainnode.node.config import CONFIG_NAME, load_config
from chainnode.node.peerlist import check_peers, unaddressed
from genesis.errors import EXIT_USAGE, OperatorError

MEMBERS = ("hospital-a", "hospital-b", "hospital-c")


@pytest.fixture
def config(tmp_path):
    def write(*peers):
        tables = [f'[peers.{slug}]\naddress = "{slug}:7400"' for slug in peers]
        (tmp_path / CONFIG_NAME).write_text("\n".join(['[keys]\ncredential = "boot"', *tables]))
        return load_config(tmp_path)

    return write


def test_peers_that_are_members_are_taken(config):
    check_peers(config("hospital-b", "hospital-c"), MEMBERS)


def test_a_peer_that_is_no_member_is_refused_with_file_key_and_the_known_ids(config):
    loaded = config("hospital-b", "hospitl-c")
    with pytest.raises(OperatorError) as caught:
        check_peers(loaded, MEMBERS)
    assert caught.value.code.code == "CFG-05" and caught.value.code.exit_code == EXIT_USAGE
    for named in (str(loaded.file), "peers.hospitl-c", "hospital-a, hospital-b, hospital-c"):
        assert named in caught.value.what
    assert "peers.hospital-b" not in caught.value.what


def test_members_that_the_configuration_forgets_are_named(config):
    assert unaddressed(config("hospital-b"), MEMBERS, "hospital-a") == ["hospital-c"]
    assert unaddressed(config("hospital-b", "hospital-c"), MEMBERS, "hospital-a") == []


def test_a_member_that_is_said_to_connect_is_not_forgotten(config, tmp_path):
    loaded = config("hospital-b")
    loaded.file.write_text(loaded.file.read_text() + '\n[peers.hospital-c]\ndial = "in"\n')
    assert unaddressed(load_config(tmp_path), MEMBERS, "hospital-a") == []
