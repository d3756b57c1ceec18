from pathlib import Path

import pytest
from msgspec.structs import replace
from objects import CHAIN, CLASS_KEY, MEMBER, POLICY, STUDY, make

from chainnode.pool.container import open_hospital_wrap, open_object
from chainnode.pool.errors import ObjectError
from chainnode.pool.halves import patient_wrap_label
from chainnode.pool.pool import Pool
from chainnode.pool.recipients import wrap_for
from chainnode.vault.keys import KemKey
from chainnode.vault.parts import open_part, seal_part

REQUEST = b"r" * 16


def rule_of(action: object) -> str:
    with pytest.raises(ObjectError) as caught:
        action()  # type: ignore[operator]
    return caught.value.rule


def test_an_object_goes_from_pool_to_project_through_both_halves(tmp_path: Path) -> None:
    pool, sealed, project = Pool.open(tmp_path), make(b"NDJSON\n" * 9_999), KemKey.generate()
    pool.store(sealed.object)
    object_id, context = sealed.object.object_id, (CHAIN, REQUEST, sealed.object.object_id)
    hospital = open_hospital_wrap(
        STUDY,
        pool.wraps.get(object_id),
        chain_id=CHAIN,
        object_id=object_id,
        member=MEMBER,
        policy_digest=POLICY,
    )
    wrap = wrap_for(pool.recipients_of(object_id), CLASS_KEY.point)
    patient = CLASS_KEY.open_half(wrap, patient_wrap_label(CHAIN, object_id, MEMBER, POLICY))
    parts = {
        "provider": seal_part(project.public, *context, "provider", hospital),
        "patient": seal_part(project.public, *context, "patient", patient),
    }
    halves = [open_part(project, parts[role], *context, role) for role in ("provider", "patient")]
    assert open_object(pool.ciphertext(sealed.pointer), sealed.pointer, CHAIN, *halves) == b"NDJSON\n" * 9_999


def test_ciphertexts_wraps_and_recipients_lie_apart(tmp_path: Path) -> None:
    pool, sealed = Pool.open(tmp_path / "home", str(tmp_path / "elsewhere")), make(b"plaintext")
    pool.store(sealed.object)
    name = sealed.object.object_id.hex()
    assert (tmp_path / "elsewhere" / name).read_bytes() == sealed.object.ciphertext
    assert (tmp_path / "home" / "wraps" / name).read_bytes() == sealed.object.w_h
    assert (tmp_path / "home" / "recipients" / name).read_bytes() == sealed.object.recipients
    assert not (tmp_path / "home" / "objects").exists()


def test_neither_plaintext_nor_a_half_lies_on_disk(tmp_path: Path) -> None:
    pool, sealed = Pool.open(tmp_path), make(b"planted marker" * 50)
    pool.store(sealed.object)
    raw = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert len(raw) > 700
    for secret in (b"planted", sealed.half_hospital[:32], sealed.half_patient[:32]):
        assert secret not in raw


def test_storing_an_object_twice_changes_nothing(tmp_path: Path) -> None:
    pool, sealed = Pool.open(tmp_path), make(b"plaintext")
    pool.store(sealed.object)
    pool.store(sealed.object)
    assert pool.ciphertext(sealed.pointer) == sealed.object.ciphertext


def test_an_object_under_a_taken_id_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    pool, first, second = Pool.open(tmp_path), make(b"first"), make(b"second")
    pool.store(first.object)
    assert rule_of(lambda: pool.store(second.object)) == "object-exists"
    assert pool.ciphertext(first.pointer) == first.object.ciphertext
    assert pool.wraps.get(first.object.object_id) == first.object.w_h


def test_a_store_that_takes_only_some_of_an_object_keeps_none_of_it(tmp_path: Path) -> None:
    pool, sealed = Pool.open(tmp_path), make(b"plaintext")
    pool.objects.put(sealed.object.object_id, b"other bytes")
    assert rule_of(lambda: pool.store(sealed.object)) == "object-exists"
    assert not pool.wraps.exists(sealed.object.object_id)
    assert not pool.recipients.exists(sealed.object.object_id)
    assert pool.objects.get(sealed.object.object_id) == b"other bytes"


def test_deleting_the_hospitals_wrap_erases_the_object(tmp_path: Path) -> None:
    pool, sealed = Pool.open(tmp_path), make(b"plaintext")
    pool.store(sealed.object)
    assert pool.wraps.delete(sealed.object.object_id)
    assert rule_of(lambda: pool.wraps.get(sealed.object.object_id)) == "object-missing"
    assert pool.ciphertext(sealed.pointer) == sealed.object.ciphertext


def test_discarding_takes_an_object_back_whole(tmp_path: Path) -> None:
    pool, sealed = Pool.open(tmp_path), make(b"plaintext")
    pool.store(sealed.object)
    pool.discard(sealed.object.object_id)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    pool.discard(sealed.object.object_id)


def test_a_pointer_to_other_bytes_or_to_nothing_is_refused(tmp_path: Path) -> None:
    pool, sealed = Pool.open(tmp_path), make(b"plaintext")
    pool.store(sealed.object)
    assert rule_of(lambda: pool.ciphertext(replace(sealed.pointer, root=bytes(32)))) == "root-mismatch"
    assert rule_of(lambda: pool.ciphertext(replace(sealed.pointer, object_id=bytes(16)))) == "object-missing"
