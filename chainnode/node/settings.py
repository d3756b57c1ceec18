"""The commented configuration file that `init` writes, and what would be wrong with it beforehand."""

import json
import tomllib
from collections.abc import Mapping

from chainnode.node.config import generic_name, problems_of
from chainnode.node.schema import KEYS


def settings_problems(given: Mapping[str, str | int]) -> list[str]:
    """What a node would refuse in the file that `render_config` makes of `given`, naming the keys."""
    return problems_of(tomllib.loads(render_config(given)))


def render_config(given: Mapping[str, str | int]) -> str:
    """The commented file that `init` writes: every key with its meaning, those not in `given` as a
    comment that shows the default. `given` is checked by the reader, not here."""
    assert all(generic_name(name) in {key.name for key in KEYS} for name in given)
    lines = ["# chainnode configuration. Relative paths are relative to this file's folder."]
    peers = sorted(name for name in given if name.startswith("peers."))
    for section in dict.fromkeys(key.name.rpartition(".")[0] for key in KEYS):
        if section == "peers.*":
            lines += ["", *_render_peers(peers, given)]
            continue
        lines += ["", f"[{section}]"]
        for key in KEYS:
            table, _, name = key.name.rpartition(".")
            if table == section:
                value = given.get(key.name, key.default if key.default is not None else "...")
                mark = "" if key.name in given else "# "
                lines += [f"# {key.meaning}", f"{mark}{name} = {_toml(value)}"]
    return "\n".join(lines) + "\n"


def _render_peers(names: list[str], given: Mapping[str, str | int]) -> list[str]:
    lines = ["# One table for each other member: where its node listens, and who connects (auto, in, out)."]
    for slug in dict.fromkeys(name.split(".")[1] for name in names) or ["*"]:
        mark = "# " if slug == "*" else ""
        address = given.get(f"peers.{slug}.address")
        lines += [
            f"{mark}[peers.{slug.replace('*', 'other-hospital')}]",
            f"{mark if address else '# '}address = {_toml(address or '10.0.0.2:7400')}",
            f"{mark}dial = {_toml(given.get(f'peers.{slug}.dial', 'auto'))}",
        ]
    return lines


def _toml(value: str | int) -> str:
    """A TOML basic string has JSON's escapes, save that DEL must be one too."""
    return str(value) if isinstance(value, int) else json.dumps(value).replace("\x7f", "\\u007f")
