"""The vote log on a real disk: what comes back, what is cut, what is reported."""

import os

import pytest

from chainnode.store.frames import encode_frame
from chainnode.store.votelog import FORMAT, Damage, VoteLog
from genesis.errors import OperatorError

CHAIN_ID = bytes(range(32))


def open_log(folder):
    return VoteLog.open(folder, CHAIN_ID)


def only_file(folder):
    (path,) = [path for path in folder.iterdir() if path.suffix == ".log"]
    return path


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "votes"


def test_records_come_back_in_order(folder):
    log, records, damage = open_log(folder)
    assert (records, damage, log.created) == ([], None, True)
    log.append([b"one", b"two"])
    log.sync()
    log.append([b"three"])
    log.sync()
    log.close()
    log, records, damage = open_log(folder)
    assert (records, damage, log.created) == ([b"one", b"two", b"three"], None, False)
    assert log.size_bytes == only_file(folder).stat().st_size


def test_a_torn_tail_is_cut_off_and_the_log_goes_on_behind_it(folder):
    log, _, _ = open_log(folder)
    log.append([b"one"])
    log.sync()
    log.append([b"two" * 100])
    log.close()
    path = only_file(folder)
    os.truncate(path, path.stat().st_size - 5)
    log, records, damage = open_log(folder)
    assert (records, damage) == ([b"one"], None)
    assert log.cut_bytes == 28 + 300 - 5
    log.append([b"three"])
    log.sync()
    log.close()
    assert open_log(folder)[1:] == ([b"one", b"three"], None)


def test_a_zeroed_tail_is_cut_off(folder):
    log, _, _ = open_log(folder)
    log.append([b"one"])
    log.sync()
    log.close()
    with only_file(folder).open("ab") as file:
        file.write(bytes(4096))
    log, records, damage = open_log(folder)
    assert (records, damage, log.cut_bytes) == ([b"one"], None, 4096)


def test_damage_before_synced_records_is_reported_and_the_records_before_it_kept(folder):
    log, _, _ = open_log(folder)
    for record in (b"one", b"two", b"three"):
        log.append([record])
        log.sync()
    log.close()
    path = only_file(folder)
    data = bytearray(path.read_bytes())
    at = data.index(b"two")
    data[at] ^= 1
    path.write_bytes(data)
    log, records, damage = open_log(folder)
    assert records == [b"one"]
    assert damage == Damage(path.name, at - 28, 3)
    assert path.with_suffix(".damaged").read_bytes() == bytes(data)


def test_damage_is_reported_at_every_start_until_voting_is_safe_again(folder):
    test_damage_before_synced_records_is_reported_and_the_records_before_it_kept(folder)
    log, records, damage = open_log(folder)
    assert records == [b"one"] and damage is not None
    log.append([b"four"])
    log.sync()
    log.rotate([b"four"])
    log.close()
    log, records, again = open_log(folder)
    assert (records, again) == ([b"four"], damage)
    log.rotate(records, forget_damage=True)
    assert log.damage is None
    log.close()
    assert open_log(folder)[1:] == ([b"four"], None)


def test_a_record_vouches_for_those_of_an_earlier_start(folder):
    log, _, _ = open_log(folder)
    log.append([b"one"])
    log.sync()
    log.close()
    log, _, _ = open_log(folder)
    log.append([b"two"])
    log.close()
    path = only_file(folder)
    path.write_bytes(path.read_bytes().replace(b"one", b"ones"[1:]))
    _, records, damage = open_log(folder)
    assert records == [] and damage is not None and damage.first_lost_sequence == 2


def test_a_hole_in_one_unsynced_write_is_a_torn_tail_not_damage(folder):
    log, _, _ = open_log(folder)
    log.append([b"one"])
    log.sync()
    log.append([b"two", b"three", b"four"])
    log.close()
    path = only_file(folder)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"two", bytes(3)))
    log, records, damage = open_log(folder)
    assert (records, damage) == ([b"one"], None)


def test_damage_of_the_header_is_reported_without_records(folder):
    log, _, _ = open_log(folder)
    log.append([b"one"])
    log.sync()
    log.close()
    path = only_file(folder)
    data = bytearray(path.read_bytes())
    data[30] ^= 0x80
    path.write_bytes(data)
    _, records, damage = open_log(folder)
    assert (records, damage) == ([], Damage(path.name, 0, 0))


def test_an_empty_file_is_damage_for_it_had_a_header(folder):
    open_log(folder)[0].close()
    os.truncate(only_file(folder), 0)
    assert open_log(folder)[2] is not None


def test_a_log_that_must_be_there_and_is_not_is_damage_until_voting_is_safe_again(folder):
    missing = Damage("", 0, 1)
    log, records, damage = VoteLog.open(folder, CHAIN_ID, must_exist=True)
    assert (records, damage, log.created) == ([], missing, True)
    log.close()
    for must_exist in (True, False):
        log, _, damage = VoteLog.open(folder, CHAIN_ID, must_exist=must_exist)
        assert damage == missing
        log.close()
    log, _, _ = open_log(folder)
    log.rotate([], forget_damage=True)
    log.close()
    assert VoteLog.open(folder, CHAIN_ID, must_exist=True)[2] is None


def test_a_log_of_a_newer_format_is_refused(folder):
    folder.mkdir()
    (folder / "votes-0000000001.log").write_bytes(encode_frame(1, 0, bytes([FORMAT + 1]) + b"new header"))
    with pytest.raises(OperatorError, match="STO-06"):
        open_log(folder)


def test_a_whole_header_that_is_not_ours_is_refused_and_no_backup_advised(folder):
    folder.mkdir()
    (folder / "votes-0000000001.log").write_bytes(encode_frame(1, 0, bytes([FORMAT]) + b"no header"))
    with pytest.raises(OperatorError, match="STO-02") as caught:
        open_log(folder)
    assert "never put a backup" in caught.value.next_step


def test_rotation_keeps_what_it_is_given_and_removes_the_old_file(folder):
    log, _, _ = open_log(folder)
    log.append([b"old"] * 50)
    log.sync()
    before = only_file(folder)
    log.rotate([b"kept"])
    assert only_file(folder) != before
    log.append([b"new"])
    log.sync()
    log.close()
    assert open_log(folder)[1:] == ([b"kept", b"new"], None)


def test_another_chains_log_is_refused(folder):
    open_log(folder)[0].close()
    with pytest.raises(OperatorError, match="STO-05"):
        VoteLog.open(folder, bytes(32))


def test_votes_are_readable_by_their_owner_alone(folder):
    open_log(folder)[0].close()
    assert only_file(folder).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
