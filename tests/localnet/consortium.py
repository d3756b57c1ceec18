"""A consortium on one machine: the ceremony of four hospitals, by the functions behind the commands."""

import re
import shutil
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from chainnode.cli.actions.files import write_private
from chainnode.cli.actions.homes import (
    GENESIS_NAME,
    Home,
    Identity,
    Passphrases,
    create_home,
    create_registrar,
    create_trustee,
    write_request,
)
from chainnode.vault.keystore import NodeKeys
from genesis import ceremony, files
from genesis.model import LIBP2P
from genesis.request import JoinRequest

NETWORK = "demo-net"
HOSPITALS = (
    ("hospital-a", "Hospital A, Arden"),
    ("hospital-b", "Hospital B, Brook"),
    ("hospital-c", "Hospital C, Clay"),
    ("hospital-d", "Hospital D, Dale"),
)
REGISTRARS = (("insurer", "Common Health Insurance"), ("authority", "Health Authority"))
OUTSIDE = ("patients-association", "Patients' Association", "patients")
"""A trustee that no hospital runs: its id, its name, its operator, who may become an observer."""
MORE_OUTSIDE = (("university", "University", "campus"), ("archive", "State Archive", "state"))
"""For networks of two or three hospitals, where a pair of ends leaves too few others."""
TRUSTEE_FILE = "trustee.key"
"""In the home of the node that hosts a trustee."""
PASSPHRASE = b"for synthetic data only"
RECOVERY = b"recovery, kept elsewhere"
SIGN_OFF = Passphrases(PASSPHRASE, RECOVERY)

Say = Callable[[str], None]
Made = Callable[[int], None]
"""Told how many key files are made."""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nothing listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


@dataclass
class Hospital:
    """One member's folders: `home` is its node's, `people` holds what its officers keep."""

    number: int
    id: str
    name: str
    home: Path
    people: Path
    port: int
    made: Home

    @property
    def steward_file(self) -> Path:
        return self.people / "steward.key"

    def socket(self, role: str) -> Path:
        return self.home / "run" / f"{role}.sock"


@dataclass
class Consortium:
    folder: Path
    hospitals: list[Hospital]
    genesis_file: Path
    registrars: dict[str, Path] = field(default_factory=dict)
    passphrase: bytes = PASSPHRASE


def _settings(
    numbers: Iterable[int], own: int, ports: list[int], extra: dict[str, str | int]
) -> dict[str, str | int]:
    settings: dict[str, str | int] = {
        "keys.passphrase_file": "passphrase",
        "listen.host": "127.0.0.1",
        "listen.port": ports[own],
    }
    for number in numbers:
        if number != own:
            settings[f"peers.{HOSPITALS[number][0]}.address"] = f"127.0.0.1:{ports[number]}"
    return settings | extra


def create_members(
    folder: Path,
    *,
    count: int = 4,
    level: str = "interactive",
    settings: dict[str, str | int] | None = None,
    made: Made = lambda _: None,
) -> list[Hospital]:
    """Homes, keys and join requests of the members."""
    ports = free_ports(count)
    hospitals = []
    for number in range(count):
        id_, name = HOSPITALS[number]
        home, people = folder / id_, folder / f"{id_}-people"
        home_made = create_home(
            home,
            Identity(NETWORK, id_, name),
            node=SIGN_OFF,
            steward=SIGN_OFF,
            steward_file=people / "steward.key",
            settings=_settings(range(count), number, ports, settings or {}),
            level=level,
        )
        write_private(home / "passphrase", PASSPHRASE + b"\n")
        hospitals.append(Hospital(number, id_, name, home, people, ports[number], home_made))
        made(number + 1)
    return hospitals


def _trustees(folder: Path, hospitals: Sequence[Hospital]) -> list[tuple[Path, str, str, str]]:
    """Key file, id, name and operator of each."""
    found = [
        (one.home / TRUSTEE_FILE, f"trustee-{one.id[-1]}", f"Trustee of {one.name}", one.id)
        for one in hospitals
    ]
    outside = (OUTSIDE, *MORE_OUTSIDE[: max(0, 4 - len(hospitals))])
    return [*found, *((folder / one[0] / TRUSTEE_FILE, *one) for one in outside)]


def create_rosters(
    folder: Path,
    hospitals: Sequence[Hospital],
    *,
    level: str = "interactive",
    made: Made = lambda _: None,
) -> tuple[dict[str, Path], list[JoinRequest]]:
    """Key files of registrars and trustees, and everybody's join requests. Each hospital's node hosts the
    trustee that the hospital runs; one more is run by somebody else."""
    registrars: dict[str, Path] = {}
    requests: list[JoinRequest] = []
    for id_, name in REGISTRARS:
        registrars[id_] = folder / id_ / f"{id_}.key"
        request = create_registrar(registrars[id_], Identity(NETWORK, id_, name), id_, SIGN_OFF, level=level)
        write_request(folder / id_ / f"{id_}.join", request)
        requests.append(request)
        made(len(requests))
    for file, id_, name, operator in _trustees(folder, hospitals):
        request = create_trustee(file, Identity(NETWORK, id_, name), operator, SIGN_OFF, level=level)
        requests.append(request)
        made(len(requests))
    for hospital in hospitals:
        configure(hospital, "key_file", TRUSTEE_FILE)
    return registrars, requests


def build_genesis(
    folder: Path, requests: Iterable[JoinRequest], *, created_ms: int | None = None, transport: str = LIBP2P
) -> Path:
    """The founding document, signed by nobody yet."""
    data = ceremony.build(
        list(requests),
        network=NETWORK,
        created_ms=created_ms if created_ms is not None else time.time_ns() // 1_000_000,
        trustee_threshold=2,
        trustee_faults=1,
        transport=transport,
    )
    path = folder / GENESIS_NAME
    files.write_file(path, data)
    return path


def sign_genesis(genesis_file: Path, hospital: Hospital) -> None:
    """The member's signature under the document, with the key of its node."""
    keys = NodeKeys.open(hospital.home / "keystore.key", PASSPHRASE)
    ceremony.sign(genesis_file, hospital.id, keys.validator.sign)


def hand_out(genesis_file: Path, hospitals: Iterable[Hospital]) -> None:
    """Every home gets its copy of the signed document."""
    data = genesis_file.read_bytes()
    for hospital in hospitals:
        files.write_file(hospital.home / GENESIS_NAME, data)


def found(
    folder: Path,
    *,
    count: int = 4,
    level: str = "interactive",
    settings: dict[str, str | int] | None = None,
    transport: str = LIBP2P,
    say: Say = lambda _: None,
) -> Consortium:
    """The whole ceremony at once. `say` is told what takes its time."""
    folder.mkdir(parents=True, exist_ok=True)
    say(f"keys of {count} hospitals, {len(REGISTRARS)} registrars, their trustees (argon2id)")
    hospitals = create_members(folder, count=count, level=level, settings=settings)
    registrars, requests = create_rosters(folder, hospitals, level=level)
    genesis_file = build_genesis(
        folder, [*(one.made.request for one in hospitals), *requests], transport=transport
    )
    for hospital in hospitals:
        sign_genesis(genesis_file, hospital)
    hand_out(genesis_file, hospitals)
    say(f"the genesis document is signed by all {count}")
    return Consortium(folder, hospitals, genesis_file, registrars)


def clone(template: Consortium, folder: Path) -> Consortium:
    """The same members with the same keys in another folder, on ports of their own: cheaper than another
    ceremony. None of its nodes may be running."""
    shutil.copytree(template.folder, folder)
    old = [one.port for one in template.hospitals]
    ports = dict(zip(old, free_ports(len(old)), strict=True))

    def moved(path: Path) -> Path:
        return folder / path.relative_to(template.folder)

    def home(made: Home) -> Home:
        return Home(
            moved(made.folder),
            moved(made.config_file),
            moved(made.keystore_file),
            moved(made.steward_file),
            moved(made.request_file),
            made.request,
        )

    hospitals = []
    for one in template.hospitals:
        made = home(one.made)
        text = re.sub(
            r"(127\.0\.0\.1:|\nport = )(\d+)",
            lambda match: match[1] + str(ports[int(match[2])]),
            made.config_file.read_text(),
        )
        made.config_file.write_text(text)
        hospitals.append(
            replace(one, home=moved(one.home), people=moved(one.people), port=ports[one.port], made=made)
        )
    registrars = {name: moved(path) for name, path in template.registrars.items()}
    return Consortium(folder, hospitals, moved(template.genesis_file), registrars, template.passphrase)


def configure(hospital: Hospital, name: str, value: str | int) -> None:
    """Set a key of the hospital's configuration, such as "reserve_mb", that no two sections have."""
    text = hospital.made.config_file.read_text()
    said = f'"{value}"' if isinstance(value, str) else str(value)
    text, found_ = re.subn(rf"(?m)^(# )?{name} = .*$", f"{name} = {said}", text)
    assert found_ == 1, f"{name} stands {found_} times in {hospital.made.config_file}"
    hospital.made.config_file.write_text(text)
