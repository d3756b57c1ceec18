"""Codes of the gateway: what an operator sees, and the rules by which a call is not carried out."""

from genesis.errors import EXIT_ENVIRONMENT, EXIT_IN_USE, EXIT_TIMEOUT, EXIT_USAGE, define

GTW_UNREACHABLE = define("GTW-01", EXIT_IN_USE, "no node answers on the socket")
GTW_IN_USE = define(
    "GTW-02", EXIT_IN_USE, "another process listens on the socket, or something else has its name"
)
GTW_PATH = define("GTW-03", EXIT_USAGE, "the socket's path is longer than Unix sockets allow")
GTW_PERMISSION = define("GTW-04", EXIT_ENVIRONMENT, "the socket may not be used or made by this user")
GTW_BUSY = define("GTW-05", EXIT_IN_USE, "the node has as many calls in work as it takes")
GTW_TIMEOUT = define("GTW-06", EXIT_TIMEOUT, "the node did not answer in time")
GTW_BROKEN = define("GTW-07", EXIT_IN_USE, "the connection to the node broke, or is not the node's")

ROLE_NOT_ALLOWED = "role-not-allowed"
REQUEST_MALFORMED = "request-malformed"
READER_TOO_SLOW = "reader-too-slow"
OBJECT_TOO_LARGE = "object-too-large"
UPLOADS_BUSY = "uploads-busy"

GATEWAY_RULES = {
    ROLE_NOT_ALLOWED: "the socket's role may not make this call, or not submit this kind of transaction",
    REQUEST_MALFORMED: "a field of the call has the wrong length or lies outside its range",
    READER_TOO_SLOW: "the client did not read its stream for too long, so the node closed it",
    OBJECT_TOO_LARGE: "an object is longer than the node takes",
    UPLOADS_BUSY: "as many objects are being handed over as the node takes at once",
}
