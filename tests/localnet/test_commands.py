"""`make localnet` and `make demo` as a person meets them: Ctrl-C at any time, bad folders, bad data."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from genesis.errors import EXIT_IN_USE, EXIT_INPUT
from tests.demo.data import MIN_BUNDLES
from tests.localnet.bundles import write_bundles
from tests.localnet.errors import CODES
from tests.localnet.starting import EXIT_INTERRUPTED

ROOT = Path(__file__).resolve().parent.parent.parent
INTERRUPTED = "interrupted: all nodes that were started are stopped\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for the paths of Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="cn-") as path:
        yield Path(path) / "net"


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def interrupted_at(process: subprocess.Popen[str], text: str) -> tuple[int, str, str]:
    """Send SIGINT once a line with this text came: exit code, stdout, stderr."""
    said = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if text in line:
            process.send_signal(signal.SIGINT)
            break
    rest, errors = process.communicate(timeout=60)
    return process.returncode, "".join(said) + rest, errors


def pids(said: str) -> list[int]:
    return [int(pid) for pid in re.findall(r"started, pid (\d+)", said)]


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("command", ["localnet", "demo"])
@pytest.mark.parametrize("at", ["bundles", "hospital-a: started, pid"])
def test_ctrl_c_while_setting_up_ends_with_one_line_and_stops_what_was_started(
    command: str, at: str, folder: Path
) -> None:
    process = started("-m", f"tests.{command}", "--folder", folder)
    code, said, errors = interrupted_at(process, at)
    assert (code, errors) == (EXIT_INTERRUPTED, INTERRUPTED)
    assert bool(pids(said)) == ("pid" in at)
    assert not [pid for pid in pids(said) if runs(pid)]


def test_ctrl_c_while_the_program_is_still_loading_ends_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("print('loading', flush=True)\nimport time\ntime.sleep(60)\n")
    code = "import sys; from tests.localnet.starting import start; sys.path.append(sys.argv[1])"
    ended = interrupted_at(started("-c", f"{code}; start('slow')", tmp_path), "loading")
    assert ended == (EXIT_INTERRUPTED, "loading\n", "interrupted: nothing was started\n")


def test_localnet_says_how_the_start_goes_offers_bundles_and_ends_in_order(folder: Path) -> None:
    code, said, errors = interrupted_at(started("-m", "tests.localnet", "--folder", folder), "Ctrl-C stops")
    assert (code, errors) == (0, "")
    for member in "abcd":
        assert f"hospital-{member}: listening, 3 links up, height 0\n" in said
    assert said.endswith("stopped: all four\n")
    assert len(pids(said)) == 4 and not [pid for pid in pids(said) if runs(pid)]
    assert sorted((folder / "bundles").glob("*.json"))


def test_localnet_names_a_node_that_was_stopped_by_hand_and_how_it_is_started_again(folder: Path) -> None:
    process = started("-m", "tests.localnet", "--folder", folder)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("hospital-b: started"):
            (stopped,) = pids(line)
        if "Ctrl-C stops" in line:
            os.kill(stopped, signal.SIGTERM)
            break
    code, said, errors = interrupted_at(process, "hospital-b: ended")
    assert (code, errors) == (0, "")
    assert said.startswith("hospital-b: ended with 0; ") and "chainnode run --home " in said


@pytest.mark.parametrize("command", ["localnet", "demo"])
def test_a_folder_that_the_command_did_not_make_is_not_touched(command: str, folder: Path) -> None:
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    ended = ran(command, "--folder", folder)
    assert ended.returncode == EXIT_IN_USE and "error[LOCALNET-01]" in ended.stderr
    assert [file.name for file in folder.iterdir()] == ["mine.txt"]


def ran(command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"tests.{command}", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


BAD_DATA = {
    "no folder": ("DEMO-01", "is not a folder"),
    "too few": ("DEMO-01", "holds 7 *.json files"),
    "not JSON": ("DEMO-02", "patient-003.json"),
    "no patient": ("DEMO-02", "patient-003.json"),
    "the same patient": ("DEMO-03", "patient-003.json"),
}


@pytest.mark.parametrize("kind", BAD_DATA)
def test_bad_data_names_the_file_with_a_code_and_what_to_do_before_anything_starts(
    kind: str, folder: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    if kind != "no folder":
        files = write_bundles(data, MIN_BUNDLES)
        if kind == "too few":
            files[0].unlink()
        elif kind == "not JSON":
            files[3].write_text('{"resourceType": "Bundle", ')
        elif kind == "no patient":
            files[3].write_text('{"resourceType": "Bundle", "type": "transaction", "entry": []}')
        else:
            files[3].write_bytes(files[2].read_bytes())
    ended = ran("demo", "--folder", folder, "--data", data)
    code, named = BAD_DATA[kind]
    assert ended.returncode == EXIT_INPUT
    assert f"error[{code}]" in ended.stderr and named in ended.stderr
    assert "next:" in ended.stderr and "Traceback" not in ended.stderr
    assert not folder.exists(), "nothing was started"


def test_the_readme_lists_every_code_of_demo_and_localnet() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [f"| {one.code} | {one.meaning} | {one.exit_code} |" for one in CODES]
    assert [row for row in rows if row not in readme] == []
    bootstrap = re.findall(r"\bfail (\d) ", (ROOT / "bootstrap.sh").read_text(encoding="utf-8"))
    assert {f"ENV-0{number}" for number in bootstrap} <= set(re.findall(r"\| (ENV-\d\d) \|", readme))
