"""Errors of a running node that an operator sees."""

from genesis.errors import EXIT_BUG, EXIT_INPUT, define

NOD_NOT_MEMBER = define("NOD-01", EXIT_INPUT, "the keystore's key is no member's in the genesis document")
NOD_FORK = define("NOD-02", EXIT_BUG, "this node's execution differs from what a quorum certified")
