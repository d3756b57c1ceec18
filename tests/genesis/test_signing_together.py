"""Several people sign one file at the same time: no signature is lost, and nobody waits for ever."""

import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from genesis.ceremony import sign
from genesis.changing import put_change, read_change, sign_change
from genesis.document import load_genesis
from genesis.errors import EXIT_IN_USE, OperatorError
from genesis.files import exclusive
from genesis.membership import encode_change, encode_change_file
from tests.genesis.consortium import HOSPITALS, signer
from tests.genesis.test_membership_change import change

SLOWLY_S = 0.1
"""From reading the file to writing it: without a lock all would have read the same one."""


def slow_signer(slug: str, message: bytes) -> bytes:
    time.sleep(SLOWLY_S)
    return signer(slug)(message)


def put_signed(path: Path, member: str, _: object) -> None:
    """A copy with one signature is put where the others put theirs."""
    body = encode_change(change())
    own = path.with_name(f"{member}.cbor")
    put_change(own, encode_change_file(body, {}))
    sign_change(own, member, signer(member))
    put_change(path, own.read_bytes())


def together(work: Callable[..., object], path: Path) -> None:
    """`work` for each hospital, each in a process of its own."""
    context = get_context("spawn")
    processes = [
        context.Process(target=work, args=(path, slug, partial(slow_signer, slug))) for slug in HOSPITALS
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(HOSPITALS)
    assert not [one.name for one in path.parent.iterdir() if one.name.startswith(".")]


def test_a_change_that_four_sign_at_once_has_four_signatures(tmp_path: Path) -> None:
    path = tmp_path / "change.cbor"
    put_change(path, encode_change_file(encode_change(change()), {}))
    together(sign_change, path)
    assert read_change(path).missing() == []


def test_a_genesis_file_that_four_sign_at_once_has_four_signatures(tmp_path: Path, unsigned: bytes) -> None:
    path = tmp_path / "genesis.cbor"
    path.write_bytes(unsigned)
    together(sign, path)
    load_genesis(path)


def test_copies_that_four_put_in_one_place_at_once_lose_no_signature(tmp_path: Path) -> None:
    together(put_signed, tmp_path / "change.cbor")
    assert read_change(tmp_path / "change.cbor").missing() == []


def test_who_cannot_get_the_file_in_time_is_told_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "change.cbor"
    with exclusive(path), pytest.raises(OperatorError, match="GEN-18") as refused, exclusive(path, wait_ms=0):
        pass
    assert refused.value.code.exit_code == EXIT_IN_USE
    with exclusive(path, wait_ms=0):  # it is free again
        pass


def test_a_lock_that_a_dead_process_left_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / ".change.cbor.lock").touch()
    with exclusive(tmp_path / "change.cbor", wait_ms=0):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_locked_is_the_operators_error(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="GEN-13"), exclusive(tmp_path / "none" / "change.cbor"):
        pass
