"""Errors of the network room that a person sees (NET-xx)."""

from genesis.errors import EXIT_ENVIRONMENT, EXIT_IN_USE, define

PORT_IN_USE = define("NET-01", EXIT_IN_USE, "another process listens on the node's address")
CANNOT_LISTEN = define("NET-02", EXIT_ENVIRONMENT, "the node cannot listen on its address")
