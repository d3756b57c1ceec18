"""Codes of the command line, and how a refusal by a rule is put into the three parts of an error."""

from dataclasses import dataclass

from chainnode.cli.next_steps import FOREIGN_CLASS_KEY, PATIENT_NOT_ENROLLED, next_step
from chainnode.gateway.errors import GATEWAY_RULES
from chainnode.ledger.rules import RULES
from chainnode.node.api import Outcome, ReadTimeout, Refused, SubmitResult
from chainnode.node.errors import NODE_RULES
from genesis.errors import (
    EXIT_BUG,
    EXIT_ENVIRONMENT,
    EXIT_IN_USE,
    EXIT_INPUT,
    EXIT_REFUSED,
    EXIT_TIMEOUT,
    EXIT_USAGE,
    EXIT_VERIFY,
    OperatorError,
    define,
)

BUG = define("BUG-01", EXIT_BUG, "a fault of chainnode itself; the traceback is in the log that is named")
CLI_USAGE = define("CLI-01", EXIT_USAGE, "an option or argument is missing, unknown or has no allowed value")
CLI_INPUT = define("CLI-02", EXIT_INPUT, "an input file cannot be read or is not what it should be")
CLI_PENDING = define("CLI-03", EXIT_TIMEOUT, "the transaction was not certified in time; it may still be")
CLI_BUSY = define("CLI-04", EXIT_IN_USE, "the node's queues are full")
CLI_OUTPUT = define("CLI-05", EXIT_ENVIRONMENT, "a file or folder cannot be written")
CLI_HOME = define("CLI-06", EXIT_USAGE, "the home folder holds a node already")
CLI_OPTIMISED = define(
    "CLI-07", EXIT_USAGE, "the node does not run under python -O, which removes its checks"
)
CLI_INTAKE = define("CLI-08", EXIT_INPUT, "some of the bundles were refused; the others went in")
CLI_VERIFY = define("CLI-09", EXIT_VERIFY, "the file does not prove what it says")
CLI_REFUSED = define("CLI-10", EXIT_REFUSED, "the chain decided: REFUSED")
CLI_FETCH = define("CLI-11", EXIT_VERIFY, "some objects of the release could not be opened")
CLI_UNDELIVERED = define("CLI-12", EXIT_TIMEOUT, "parts of the release have not arrived yet")
CLI_NOT_TAKEN = define("CLI-13", EXIT_INPUT, "the data of some patients was not taken in")
CLI_CHANGE = define("CLI-14", EXIT_REFUSED, "a change of members waits to take effect; one is made at a time")
CLI_UNSIGNED = define("CLI-15", EXIT_INPUT, "the change of members lacks signatures that the chain asks for")

CLI_RULES = {
    FOREIGN_CLASS_KEY: "A class key enrolled for the patient is not the wallet's own, so it is not proven.",
    PATIENT_NOT_ENROLLED: "The wallet is not enrolled at this hospital.",
}
"""Rules by which a command itself refuses to sign."""


@dataclass(frozen=True, slots=True)
class Report:
    """An error as a person or a program sees it. `statement`: the node's signed word, where there is one."""

    code: str
    what: str
    unchanged: str
    next_step: str
    exit_code: int
    statement: bytes = b""


class TransactionRefused(Refused):
    """A transaction that a rule refused: by the chain (certified), or turned away by this node."""

    def __init__(self, result: SubmitResult) -> None:
        super().__init__(result.code, result.detail or RULES.get(result.code, ""))
        self.result = result
        if result.outcome is Outcome.TURNED_AWAY:
            self.unchanged = "turned away at admission: this node's own statement, nothing went on chain"
        else:
            self.unchanged = f"included at height {result.height} and refused there: it changed no state"


def describe(error: OperatorError | Refused) -> Report:
    """The three parts of any error that is not a fault of ours."""
    if isinstance(error, OperatorError):
        return Report(error.code.code, error.what, error.unchanged, error.next_step, error.code.exit_code)
    sentence = error.detail or (RULES | GATEWAY_RULES | NODE_RULES | CLI_RULES).get(error.rule, "")
    following = next_step(error.rule)
    if isinstance(error, ReadTimeout):
        return Report(error.rule, sentence, "nothing was changed", following, EXIT_TIMEOUT)
    if isinstance(error, TransactionRefused):
        result = error.result
        return Report(error.rule, sentence, error.unchanged, following, EXIT_REFUSED, result.statement)
    return Report(error.rule, sentence, "nothing was changed", following, EXIT_REFUSED)


def usage(what: str, following: str) -> OperatorError:
    """CLI-01 before anything was done; `following`: the next step."""
    return OperatorError(CLI_USAGE, what, unchanged="nothing was done", next_step=following)


def bad_input(what: str, following: str) -> OperatorError:
    """CLI-02 before anything was done; `following`: the next step."""
    return OperatorError(CLI_INPUT, what, unchanged="nothing was done", next_step=following)
