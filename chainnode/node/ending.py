"""What ended a node: the one error to tell out of the groups in which tasks hand theirs on.

`except*` would do the same, but before Python 3.11.4 it wraps what is raised in it into a group again.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chainnode.node.driver import ForkError, Halted
from chainnode.node.errors import NOD_FORK
from genesis.errors import OperatorError, quoted


def told(group: BaseExceptionGroup[Any], store_folder: Path) -> BaseException:
    """A fork before whatever else an operator is told; the group itself where anything in it is a fault of
    ours."""
    errors = list(_leaves(group))
    if not all(isinstance(error, Halted | ForkError | OperatorError) for error in errors):
        return group
    fork = next((error for error in errors if isinstance(error, Halted | ForkError)), None)
    if fork is None:
        return errors[0]
    return OperatorError(
        NOD_FORK,
        f"execution differs from what a quorum certified: {fork}",
        unchanged="nothing was signed or sent after this was seen; keys and objects are not touched",
        next_step=f"keep {quoted(store_folder)} for the report, then start anew with the folder "
        "moved aside: the node fetches the chain from its peers",
    )


def _leaves(group: BaseExceptionGroup[Any]) -> Iterator[BaseException]:
    """The exceptions of nested groups: tasks have tasks."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
