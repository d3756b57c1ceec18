"""The verifier that an outsider reads and runs: one file, none of our packages, and the same answers."""

import ast
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import cbor2
import nacl
import pytest

from chainnode.ledger.records import OUTCOME_AUTHORISED
from chainnode.ledger.rules import VERDICT_RULES
from genesis.document import parse_genesis
from genesis.errors import OperatorError
from tests.ledger.releases import releases, stories
from tests.ledger.twoverifiers import FILE, of_the_file, of_the_ledger, single_file

PACKAGES = ("nacl", "_sodium", "_cffi_backend", "cbor2", "_cbor2", "msgpack")
RUN = """
import runpy, sys
sys.path.append(sys.argv.pop(1))
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the file and links to the three packages that it needs, and no others."""
    folder = tmp_path_factory.mktemp("outside")
    (folder / "verify_receipt.py").write_bytes(FILE.read_bytes())
    packages = folder / "packages"
    packages.mkdir()
    site = Path(str(nacl.__file__)).parents[1]
    for found in site.iterdir():
        if found.name.split(".")[0] in PACKAGES:
            (packages / found.name).symlink_to(found)
    return folder


def run(outside: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Isolated (-I) and without site-packages (-S), so that nothing of ours can be imported."""
    command = [sys.executable, "-I", "-S", "-c", RUN, outside / "packages", outside / "verify_receipt.py"]
    done = subprocess.run([*command, *arguments], cwd=outside, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done


def test_it_imports_the_standard_library_and_three_packages() -> None:
    names = set()
    for node in ast.walk(ast.parse(FILE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module).split(".")[0])
    assert names - set(sys.stdlib_module_names) == {"nacl", "cbor2", "msgpack"}
    assert all(metadata.version(package) for package in ("pynacl", "cbor2", "msgpack"))


def test_nothing_of_ours_is_importable_where_it_runs(outside: Path) -> None:
    probe = "import sys; sys.path.append(sys.argv[1]); import cbor2, msgpack, nacl.signing; import {}"
    for module in ("chainnode", "consensus", "genesis", "msgspec"):
        command = [sys.executable, "-I", "-S", "-c", probe.format(module), str(outside / "packages")]
        done = subprocess.run(command, cwd=outside, capture_output=True, text=True, timeout=60)
        assert f"No module named '{module}'" in done.stderr


def test_it_says_in_words_what_a_receipt_proves(outside: Path, tmp_path: Path) -> None:
    authorised = next(
        (story, one)
        for story in stories()
        for one in story.found
        if one.release.outcome == OUTCOME_AUTHORISED and any(verdict.rule for verdict in one.release.verdicts)
    )
    story, one = authorised
    (tmp_path / "genesis.cbor").write_bytes(story.genesis)
    (tmp_path / "a.receipt").write_bytes(one.data)
    done = run(outside, tmp_path / "genesis.cbor", tmp_path / "a.receipt")
    assert (done.returncode, done.stderr) == (0, "")
    assert "'pool-of-trust'" in done.stdout and one.release.request_id.hex() in done.stdout
    assert "project 'lung', 'oncology' of 'Hospital 3'" in done.stdout and "not for profit" in done.stdout
    assert "AUTHORISED" in done.stdout and f"height {one.release.height}, 2023-11-" in done.stdout
    for verdict in one.release.verdicts:
        said = verdict.rule or f"authorised, {verdict.basis}"
        assert f"{verdict.object_id.hex()}: {said}" in done.stdout


def test_it_names_the_check_that_fails(outside: Path, tmp_path: Path) -> None:
    story = stories()[0]
    genesis, receipt = tmp_path / "genesis.cbor", tmp_path / "a.receipt"
    genesis.write_bytes(story.genesis)
    content = cbor2.loads(story.found[0].data)
    content["certificate"] = content["certificate"][:-1] + bytes([content["certificate"][-1] ^ 1])
    receipt.write_bytes(cbor2.dumps(content, canonical=True))
    done = run(outside, genesis, receipt)
    assert (done.returncode, done.stdout) == (8, "")
    assert done.stderr.startswith("DOES NOT VERIFY  bad-certificate: the vote of replica")


@pytest.mark.parametrize(
    "content", [b"", b"\xa0", b"\x80", b"\xff", b"\xd8\x23\x61(", b"\x81" * 5_000, b"{}", b"\xc5" * 9]
)
def test_what_is_no_receipt_or_no_genesis_does_not_verify(
    outside: Path, tmp_path: Path, content: bytes
) -> None:
    genesis, receipt = tmp_path / "genesis.cbor", tmp_path / "a.receipt"
    genesis.write_bytes(stories()[0].genesis)
    receipt.write_bytes(content)
    assert run(outside, genesis, receipt).returncode == 8
    assert run(outside, receipt, genesis).returncode == 8


def test_usage_and_unreadable_files_end_with_two(outside: Path, tmp_path: Path) -> None:
    assert run(outside).returncode == 2
    assert "usage" in run(outside, tmp_path).stderr
    assert run(outside, tmp_path / "missing", tmp_path / "missing").returncode == 2
    assert run(outside, tmp_path, tmp_path).returncode == 2
    assert run(outside, "nul\x01l", "x").returncode == 2


def test_a_reader_that_goes_away_is_no_failure(outside: Path, tmp_path: Path) -> None:
    story = stories()[0]
    genesis, receipt = tmp_path / "genesis.cbor", tmp_path / "a.receipt"
    genesis.write_bytes(story.genesis)
    receipt.write_bytes(story.found[0].data)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-I", "-S", "-c", RUN, outside / "packages", outside / "verify_receipt.py"]
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run([*command, genesis, receipt], stdout=gone, stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


def test_files_that_are_too_long_are_not_read_to_their_end(outside: Path, tmp_path: Path) -> None:
    genesis, receipt = tmp_path / "genesis.cbor", tmp_path / "a.receipt"
    genesis.write_bytes(stories()[0].genesis)
    for path, size in ((receipt, (64 << 20) + 1), (genesis, (4 << 20) + 1)):
        path.touch()
        os.truncate(path, size)
        done = run(outside, genesis, receipt)
        assert done.returncode == 8 and "more than" in done.stderr


def test_the_releases_differ_in_everything_that_decides() -> None:
    found = releases()
    verdicts = [verdict for one in found for verdict in one.release.verdicts]
    assert len(found) >= 100
    assert {verdict.rule for verdict in verdicts} == {"", *VERDICT_RULES}
    assert {verdict.basis for verdict in verdicts} == {"", "live", "standing"}
    assert {one.scene.chain.headers[one.release.height].epoch for one in found} == {0, 1, 3}
    assert any(len(one.release.providers) == 2 for one in found)


def test_both_verifiers_take_every_receipt_and_find_the_same_decision() -> None:
    module = single_file()
    for story in stories():
        genesis = parse_genesis(story.genesis)
        assert genesis.chain_id == story.scene.chain.chain_id
        for one in story.found:
            assert of_the_ledger(one.data, one.scene.chain.founding) == ""
            lines = module.prove(*module.read_genesis(story.genesis), one.data)
            objects = [line.split("    ")[1] for line in lines if line.startswith("object")]
            said = [
                f"{v.object_id.hex()}: {v.rule or 'authorised, ' + v.basis}" for v in one.release.verdicts
            ]
            assert objects == said
            assert any(one.release.outcome in line for line in lines)


def test_no_byte_of_a_genesis_file_can_be_another() -> None:
    data = stories()[0].genesis
    module = single_file()
    for at in range(0, len(data), 11):
        spoiled = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        with pytest.raises(OperatorError):
            parse_genesis(spoiled)
        with pytest.raises(module.Refused):
            module.read_genesis(spoiled)


def test_a_genesis_that_a_member_did_not_sign_is_refused() -> None:
    module, content = single_file(), cbor2.loads(stories()[0].genesis)
    for slug in content["signatures"]:
        fewer = {name: said for name, said in content["signatures"].items() if name != slug}
        for signatures in (fewer, {**content["signatures"], slug: 7}, {**content["signatures"], "more": b""}):
            spoiled = cbor2.dumps(content | {"signatures": signatures}, canonical=True)
            with pytest.raises(module.Refused):
                module.read_genesis(spoiled)
            with pytest.raises(OperatorError):
                parse_genesis(spoiled)
    assert of_the_file(stories()[0].found[0].data, stories()[0].genesis) == ""
