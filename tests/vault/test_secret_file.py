import os
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import cbor2
import pytest

from chainnode.vault import argon2id
from chainnode.vault.secretfile import SecretFile
from chainnode.vault.secretformat import MAX_FILE_BYTES
from genesis.errors import EXIT_ENVIRONMENT, EXIT_INPUT, EXIT_KEY, OperatorError

FAST = "interactive"


def make(path: Path, recovery: bytes | None = b"recover") -> SecretFile:
    return SecretFile.create(path, "steward", b"payload", boot=b"boot!", recovery=recovery, level=FAST)


@cache
def _template() -> bytes:
    with TemporaryDirectory() as folder:
        make(Path(folder) / "s")
        return (Path(folder) / "s").read_bytes()


def place(path: Path) -> None:
    """What `make` writes, without its two derivations."""
    path.write_bytes(_template())


def code_of(action: object) -> str:
    with pytest.raises(OperatorError) as caught:
        action()  # type: ignore[operator]
    error = caught.value
    assert error.what and error.unchanged and error.next_step
    unreadable = error.code.code == "KEY-01"
    assert error.code.exit_code in ((EXIT_INPUT,) if unreadable else (EXIT_KEY, EXIT_ENVIRONMENT))
    return error.code.code


def rewrite(path: Path, **changes: object) -> None:
    path.write_bytes(cbor2.dumps(cbor2.loads(path.read_bytes()) | changes, canonical=True))


@pytest.fixture
def derivations(monkeypatch: pytest.MonkeyPatch) -> list[argon2id.Cost]:
    """Counts derivations, which must stay as few as promised."""
    seen: list[argon2id.Cost] = []
    real = argon2id.bindings.crypto_pwhash_alg

    def counted(size: int, passphrase: bytes, salt: bytes, operations: int, memory: int, alg: int) -> bytes:
        seen.append(argon2id.Cost(operations, memory))
        return real(size, passphrase, salt, operations, memory, alg)

    monkeypatch.setattr(argon2id.bindings, "crypto_pwhash_alg", counted)
    return seen


@pytest.mark.parametrize("passphrase", [b"boot!", b"recover"])
def test_either_passphrase_opens(tmp_path: Path, passphrase: bytes) -> None:
    place(tmp_path / "s")
    opened = SecretFile.open(tmp_path / "s", "steward", passphrase)
    assert opened.payload == b"payload" and opened.slots == ("boot", "recovery")


def test_a_wrong_passphrase_names_the_file_and_both_slots(tmp_path: Path) -> None:
    place(tmp_path / "s")
    with pytest.raises(OperatorError) as caught:
        SecretFile.open(tmp_path / "s", "steward", b"wrong")
    assert caught.value.code.code == "KEY-02"
    assert f"the passphrase opened neither slot of {tmp_path / 's'}" in str(caught.value)


def test_a_named_slot_takes_its_own_passphrase_alone(tmp_path: Path) -> None:
    place(tmp_path / "s")
    assert SecretFile.open(tmp_path / "s", "steward", b"recover", slot="recovery").payload == b"payload"
    assert code_of(lambda: SecretFile.open(tmp_path / "s", "steward", b"boot!", slot="recovery")) == "KEY-02"


def test_a_file_without_recovery_slot_says_so(tmp_path: Path) -> None:
    make(tmp_path / "s", recovery=None)
    assert code_of(lambda: SecretFile.open(tmp_path / "s", "steward", b"boot!", slot="recovery")) == "KEY-12"


def test_opening_takes_one_derivation_for_each_slot_tried(
    tmp_path: Path, derivations: list[argon2id.Cost]
) -> None:
    place(tmp_path / "s")
    counts = []
    for passphrase, slot in ((b"boot!", None), (b"recover", "recovery"), (b"recover", None)):
        derivations.clear()
        SecretFile.open(tmp_path / "s", "steward", passphrase, slot=slot)
        counts.append(len(derivations))
    assert counts == [1, 1, 2]


def test_the_default_level_is_moderate_and_stands_in_the_file(
    tmp_path: Path, derivations: list[argon2id.Cost]
) -> None:
    SecretFile.create(tmp_path / "s", "steward", b"payload", boot=b"boot!")
    assert derivations == [argon2id.LEVELS["moderate"]]
    slot = cbor2.loads((tmp_path / "s").read_bytes())["slots"][0]
    assert (slot["level"], slot["operations"], slot["memory"]) == ("moderate", 3, 268_435_456)


def test_no_secret_stands_in_the_file(tmp_path: Path) -> None:
    place(tmp_path / "s")
    raw = (tmp_path / "s").read_bytes()
    assert not any(secret in raw for secret in (b"payload!", b"boot!", b"recover!"))
    assert cbor2.loads(raw)["payload"] != b"payload"


def test_the_file_is_for_its_owner_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = make(tmp_path / "s")
    file.replace_payload(b"other")
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"precious")
    assert code_of(lambda: make(tmp_path / "s")) == "KEY-06"
    assert (tmp_path / "s").read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_missing_file_or_folder_is_named(tmp_path: Path) -> None:
    assert code_of(lambda: SecretFile.open(tmp_path / "s", "steward", b"boot!")) == "KEY-01"
    assert code_of(lambda: SecretFile.open(tmp_path, "steward", b"boot!")) == "KEY-01"
    assert code_of(lambda: make(tmp_path / "none" / "s")) == "KEY-09"


def test_a_file_of_another_kind_is_refused_before_any_derivation(
    tmp_path: Path, derivations: list[argon2id.Cost]
) -> None:
    place(tmp_path / "s")
    derivations.clear()
    assert code_of(lambda: SecretFile.open(tmp_path / "s", "head", b"boot!")) == "KEY-04"
    assert derivations == []


def test_the_kind_is_authenticated(tmp_path: Path) -> None:
    place(tmp_path / "s")
    rewrite(tmp_path / "s", kind="head")
    assert code_of(lambda: SecretFile.open(tmp_path / "s", "head", b"boot!")) == "KEY-02"


def test_a_file_cut_anywhere_is_damaged(tmp_path: Path) -> None:
    place(tmp_path / "s")
    raw = (tmp_path / "s").read_bytes()
    for length in range(0, len(raw), 11):
        (tmp_path / "s").write_bytes(raw[:length])
        with pytest.raises(OperatorError, match=r"KEY-03.*: the file ends early"):
            SecretFile.open(tmp_path / "s", "steward", b"boot!")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\n",
        b"\x81" * 10_000,
        b"\x9b\x00\x00\x00\x7f\xff\xff\xff\xff\x00",
        cbor2.dumps({"format": "other"}),
        cbor2.dumps([1, 2, 3]),
        cbor2.dumps({"format": "chainnode-secret", "version": 2}),
        cbor2.dumps({"format": "chainnode-secret", "version": 1, "suite": 1}),
        bytes(MAX_FILE_BYTES + 1),
    ],
    ids=["empty", "pem", "nested", "huge-length", "foreign", "list", "version", "fields", "oversized"],
)
def test_a_foreign_file_is_damaged(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "s").write_bytes(raw)
    assert code_of(lambda: SecretFile.open(tmp_path / "s", "steward", b"boot!")) == "KEY-03"
    assert (tmp_path / "s").read_bytes() == raw


def test_bytes_after_the_end_and_other_spellings_are_damage(tmp_path: Path) -> None:
    place(tmp_path / "s")
    raw = (tmp_path / "s").read_bytes()
    for other in (raw + b"\x00", cbor2.dumps(dict(reversed(cbor2.loads(raw).items())))):
        (tmp_path / "s").write_bytes(other)
        assert code_of(lambda: SecretFile.open(tmp_path / "s", "steward", b"boot!")) == "KEY-03"


@pytest.mark.parametrize(
    "change",
    [
        {"slots": []},
        {"slots": "boot"},
        {"nonce": b"short"},
        {"payload": "text"},
        {"kind": 7},
        {"extra": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_fields_of_another_shape_are_damage(tmp_path: Path, change: dict[str, object]) -> None:
    place(tmp_path / "s")
    rewrite(tmp_path / "s", **change)
    assert code_of(lambda: SecretFile.open(tmp_path / "s", "steward", b"boot!")) == "KEY-03"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "third"},
        {"name": "recovery"},
        {"level": "none"},
        {"salt": b"short"},
        {"nonce": bytes(23)},
        {"key": bytes(47)},
        {"operations": True},
        {"memory": "64 MiB"},
        {"more": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_slots_of_another_shape_are_damage(tmp_path: Path, change: dict[str, object]) -> None:
    place(tmp_path / "s")
    slots = cbor2.loads((tmp_path / "s").read_bytes())["slots"]
    rewrite(tmp_path / "s", slots=[slots[0] | change, slots[1]])
    assert code_of(lambda: SecretFile.open(tmp_path / "s", "steward", b"boot!")) == "KEY-03"


@pytest.mark.parametrize(
    "change",
    [{"memory": 1 << 30 | 1}, {"memory": 1 << 62}, {"operations": 5}, {"operations": 0}, {"memory": 1}],
)
def test_a_cost_outside_the_levels_is_refused_before_memory_is_taken(
    tmp_path: Path, derivations: list[argon2id.Cost], change: dict[str, int]
) -> None:
    place(tmp_path / "s")
    derivations.clear()
    slots = cbor2.loads((tmp_path / "s").read_bytes())["slots"]
    rewrite(tmp_path / "s", slots=[slots[0] | change, slots[1]])
    assert code_of(lambda: SecretFile.open(tmp_path / "s", "steward", b"boot!")) == "KEY-05"
    assert derivations == []


def test_a_cost_altered_within_the_levels_opens_nothing(tmp_path: Path) -> None:
    make(tmp_path / "s", recovery=None)
    slots = cbor2.loads((tmp_path / "s").read_bytes())["slots"]
    rewrite(tmp_path / "s", slots=[slots[0] | {"memory": 16_384, "operations": 2}])
    assert code_of(lambda: SecretFile.open(tmp_path / "s", "steward", b"boot!")) == "KEY-02"


def test_an_altered_payload_is_damage_not_a_wrong_passphrase(tmp_path: Path) -> None:
    place(tmp_path / "s")
    payload = cbor2.loads((tmp_path / "s").read_bytes())["payload"]
    rewrite(tmp_path / "s", payload=payload[:-1] + bytes([payload[-1] ^ 1]))
    assert code_of(lambda: SecretFile.open(tmp_path / "s", "steward", b"boot!")) == "KEY-03"


def test_changing_a_passphrase_leaves_payload_and_the_other_slot_alone(tmp_path: Path) -> None:
    file = make(tmp_path / "s")
    before = cbor2.loads((tmp_path / "s").read_bytes())
    file.set_passphrase("boot", b"new one", level=FAST)
    after = cbor2.loads((tmp_path / "s").read_bytes())
    assert (after["payload"], after["nonce"], after["slots"][1]) == (
        before["payload"],
        before["nonce"],
        before["slots"][1],
    )
    assert SecretFile.open(tmp_path / "s", "steward", b"new one", slot="boot").payload == b"payload"
    assert SecretFile.open(tmp_path / "s", "steward", b"recover", slot="recovery").payload == b"payload"
    assert code_of(lambda: SecretFile.open(tmp_path / "s", "steward", b"boot!")) == "KEY-02"


def test_a_recovery_slot_can_be_added_later(tmp_path: Path) -> None:
    make(tmp_path / "s", recovery=None).set_passphrase("recovery", b"later", level=FAST)
    opened = SecretFile.open(tmp_path / "s", "steward", b"later")
    assert opened.slots == ("boot", "recovery")


def test_a_new_payload_needs_no_passphrase_and_keeps_both_slots(tmp_path: Path) -> None:
    make(tmp_path / "s").replace_payload(b"more")
    for passphrase in (b"boot!", b"recover"):
        assert SecretFile.open(tmp_path / "s", "steward", passphrase).payload == b"more"


def test_a_change_made_by_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    mine = make(tmp_path / "s")
    SecretFile.open(tmp_path / "s", "steward", b"boot!").replace_payload(b"theirs")
    assert code_of(lambda: mine.replace_payload(b"mine")) == "KEY-08"
    assert code_of(lambda: mine.set_passphrase("boot", b"mine", level=FAST)) == "KEY-08"
    assert SecretFile.open(tmp_path / "s", "steward", b"boot!").payload == b"theirs"


def test_a_symbolic_link_stays_one_when_the_file_behind_it_is_rewritten(tmp_path: Path) -> None:
    place(tmp_path / "s")
    (tmp_path / "link").symlink_to(tmp_path / "s")
    SecretFile.open(tmp_path / "link", "steward", b"boot!").replace_payload(b"more")
    assert (tmp_path / "link").is_symlink()
    assert SecretFile.open(tmp_path / "s", "steward", b"boot!").payload == b"more"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_root_rewriting_a_file_leaves_it_to_its_owner(tmp_path: Path) -> None:
    file = make(tmp_path / "s")
    os.chown(tmp_path / "s", 4_711, 4_712)
    file.set_passphrase("boot", b"new one", level=FAST)
    found = (tmp_path / "s").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (4_711, 4_712, 0o600)


def test_a_failing_disk_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make(tmp_path / "s")
    before = (tmp_path / "s").read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert code_of(lambda: file.replace_payload(b"more")) == "KEY-09"
    assert code_of(lambda: make(tmp_path / "new")) == "KEY-09"
    assert (tmp_path / "s").read_bytes() == before and file.payload == b"payload"
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_a_failing_rename_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make(tmp_path / "s")
    before = (tmp_path / "s").read_bytes()

    def refused(source: Path, target: Path) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", refused)
    assert code_of(lambda: file.replace_payload(b"more")) == "KEY-09"
    assert (tmp_path / "s").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_too_little_memory_is_told_as_such() -> None:
    script = (
        "import resource\n"
        "from chainnode.vault.argon2id import LEVELS, derive\n"
        "from genesis.errors import OperatorError\n"
        "resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))\n"
        "try:\n"
        "    derive(b'boot!', bytes(16), LEVELS['sensitive'])\n"
        "except OperatorError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("error[KEY-11]: deriving a key from the passphrase needs 1024 MiB")


def test_the_levels_are_those_of_libsodium() -> None:
    assert argon2id.LEVELS["moderate"] == argon2id.Cost(3, 256 << 20)
    assert argon2id.LEVELS["sensitive"] == argon2id.Cost(4, 1 << 30)
    assert all(argon2id.affordable(cost) for cost in argon2id.LEVELS.values())
