"""`make demo`."""

import sys

from tests.localnet.starting import start

if __name__ == "__main__":
    sys.exit(start("tests.demo.command"))
