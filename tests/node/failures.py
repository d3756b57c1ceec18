"""Errors of the environment, to be raised by stand-ins."""

from chainnode.store.errors import STO_FULL
from genesis.errors import OperatorError

DISK_FULL = OperatorError(STO_FULL, "disk full", unchanged="nothing was half-written", next_step="df")
