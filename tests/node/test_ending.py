"""Of all that ends a node at once, the one thing that its operator is to know."""

import pytest

from chainnode.node.driver import ForkError, Halted
from chainnode.node.ending import told
from consensus.ready import Halt
from genesis.errors import EXIT_IN_USE, ErrorCode, OperatorError

IN_USE = ErrorCode("XYZ-01", EXIT_IN_USE, "somebody has it")


def in_use(what="port 7400"):
    return OperatorError(IN_USE, what, unchanged="nothing", next_step="ss -ltnp")


def nested(*errors):
    return BaseExceptionGroup("house", [BaseExceptionGroup("tasks", [error]) for error in errors])


def test_the_operators_error_is_told_itself_and_not_its_group(tmp_path):
    error = in_use()
    assert told(nested(error), tmp_path) is error
    assert told(nested(error, in_use("another")), tmp_path) is error


@pytest.mark.parametrize("fork", [Halted(Halt(7, b"own", b"certified")), ForkError(7, b"own", b"certified")])
def test_a_fork_comes_before_whatever_it_brought_about(tmp_path, fork):
    said = told(nested(in_use(), fork), tmp_path)
    assert isinstance(said, OperatorError) and said.code.code == "NOD-02"
    assert "height 7" in said.what and str(tmp_path) in said.next_step


def test_a_fault_of_ours_is_never_hidden_behind_an_operators_error(tmp_path):
    group = nested(in_use(), KeyError("ours"))
    assert told(group, tmp_path) is group
