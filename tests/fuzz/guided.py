"""Fuzzing that is guided by coverage, where the `atheris` package is installed (it is in no lock file: it has
wheels for Linux only):

    .venv/bin/pip install atheris
    .venv/bin/python -m tests.fuzz.guided receipt -max_total_time=600

The words after the format go to libFuzzer."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["chainnode", "consensus", "genesis"]):
    from tests.fuzz.formats import formats


def main() -> None:
    one = formats()[sys.argv[1]]
    with tempfile.TemporaryDirectory() as corpus:
        for number, example in enumerate(one.examples):
            Path(corpus, str(number)).write_bytes(example)
        atheris.Setup([sys.argv[0], *sys.argv[2:], corpus], one.taken)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
