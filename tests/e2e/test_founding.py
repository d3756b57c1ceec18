"""docs/founding.md, typed from top to bottom by four hospitals, a registrar and three trustees."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from genesis.document import load_genesis
from tests.localnet.consortium import free_ports

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "founding.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"<!-- (\w+) -->\n```sh\n(.*?)```", GUIDE, re.DOTALL)
MEMBERS = ("hospital-a", "hospital-b", "hospital-c", "hospital-d")
OTHERS = {"insurer": "registrar", "union": "trustee", "university": "trustee", "archive": "trustee"}
WAIT_S = 180.0


@dataclass
class Person:
    """Somebody at a machine: the settings that they adapted, in the same shell for every block."""

    kind: str
    settings: dict[str, str]

    def type(self, lines: str, *, check: bool = True) -> str:
        ended = subprocess.run(
            ["bash", "-euc", lines], env=self._environment(), capture_output=True, text=True, timeout=300
        )
        said = ended.stdout + ended.stderr
        assert ended.returncode == 0 or not check, said
        assert "Traceback" not in said
        return said

    def start(self, lines: str) -> subprocess.Popen[bytes]:
        """`exec`: the node is the process that is started, and ends with it."""
        log = Path(self.settings["KEYS"]) / "node.log"
        with log.open("wb") as stream:
            return subprocess.Popen(
                ["bash", "-euc", f"exec {lines}"],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        return {"LANG": os.environ.get("LANG", "C.UTF-8"), "COLUMNS": "200", **self.settings}


def _people(folder: Path) -> list[Person]:
    """Everybody's settings; all on this machine, so their mail is one folder."""
    ports = dict(zip(MEMBERS, free_ports(len(MEMBERS)), strict=True))
    created_ms = str(int(time.time()) * 1_000)

    def person(id_: str, kind: str) -> Person:
        peers = [f"--peer {other}=127.0.0.1:{port}" for other, port in ports.items() if other != id_]
        settings = {
            "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}",
            "NETWORK": "heart-net",
            "CREATED": created_ms,
            "ID": id_,
            "NAME": f"House of {id_}",
            "CHAINNODE_HOME": str(folder / id_ / "home"),
            "KEYS": str(folder / id_ / "keys"),
            "MAIL": str(folder / "mail"),
            "HOST": "127.0.0.1",
            "PORT": str(ports.get(id_, 0)),
            "PEERS": " ".join(peers),
        }
        return Person(kind, settings)

    return [*(person(id_, "member") for id_ in MEMBERS), *(person(id_, kind) for id_, kind in OTHERS.items())]


@contextmanager
def _running(members: list[Person], lines: str) -> Iterator[None]:
    nodes = [member.start(lines) for member in members]
    try:
        yield
    finally:
        for node in nodes:
            node.terminate()
        assert [node.wait(WAIT_S) for node in nodes] == [0] * len(nodes)


def _patiently(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.2)


def _linked(member: Person) -> bool:
    return "4 of 4, 3 needed" in member.type("chainnode status", check=False)


def test_the_settings_that_the_guide_has_adapted_are_those_that_the_test_adapts(tmp_path: Path) -> None:
    (settings,) = [lines for kind, lines in BLOCKS if kind == "settings"]
    assert set(re.findall(r"\b([A-Z_]+)=", settings)) == set(_people(tmp_path)[0].settings)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("f")


@pytest.mark.timeout(900)  # eight people, one command after the other
def test_the_founding_guide_runs_as_it_is_written(folder: Path) -> None:
    people = _people(folder)
    members = [one for one in people if one.kind == "member"]
    kinds = [kind for kind, _ in BLOCKS]
    (started,) = [place for place, kind in enumerate(kinds) if kind == "run"]
    for kind, lines in BLOCKS[:started]:
        for one in people:
            if kind in (one.kind, "everybody"):
                one.type(lines)
    homes = [Path(one.settings["CHAINNODE_HOME"]) for one in members]
    assert len({load_genesis(home / "genesis.cbor").chain_id for home in homes}) == 1
    with _running(members, BLOCKS[started][1]):
        for one in members:
            _patiently(partial(_linked, one))
        for kind, lines in BLOCKS[started + 1 :]:
            assert kind == "member"
            said = [one.type(lines) for one in members]
    assert all("cardiology" in text for text in said)
    for one in people:
        files = [path for path in Path(one.settings["KEYS"]).iterdir() if path.suffix in (".key", ".pass")]
        assert len(files) >= 5 and all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_typing_the_guide_again_writes_over_nothing(folder: Path) -> None:
    member = _people(folder)[0]
    typed = "".join(lines for kind, lines in BLOCKS[:3])
    assert [kind for kind, _ in BLOCKS[:3]] == ["settings", "everybody", "member"]
    own = typed.replace(BLOCKS[0][1], "")
    member.type(own)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert "error[CLI-06]" in member.type(own, check=False)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
