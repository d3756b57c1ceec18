"""Errors over the wire: a status and an ErrorDetail in the trailing metadata, rebuilt by the client."""

import shlex
from pathlib import Path
from typing import Any

import grpc

from chainnode.gateway import gateway_pb2 as pb
from chainnode.gateway.errors import (
    GTW_BROKEN,
    GTW_BUSY,
    GTW_TIMEOUT,
    GTW_UNREACHABLE,
    READER_TOO_SLOW,
    REQUEST_MALFORMED,
    ROLE_NOT_ALLOWED,
    UPLOADS_BUSY,
)
from chainnode.node.api import NotFound, ReadTimeout, Refused
from genesis.errors import (
    ERROR_CODES,
    EXIT_ENVIRONMENT,
    EXIT_IN_USE,
    EXIT_INPUT,
    EXIT_MEANINGS,
    EXIT_TIMEOUT,
    ErrorCode,
    OperatorError,
)

DETAIL_KEY = "chainnode-error-bin"
MAX_TEXT = 1_500
"""Characters of each text field: gRPC takes 8 KiB of metadata."""

_STATUS_BY_EXIT = {
    EXIT_IN_USE: grpc.StatusCode.UNAVAILABLE,
    EXIT_ENVIRONMENT: grpc.StatusCode.UNAVAILABLE,
    EXIT_INPUT: grpc.StatusCode.INVALID_ARGUMENT,
    EXIT_TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_STATUS_BY_RULE = {
    ROLE_NOT_ALLOWED: grpc.StatusCode.PERMISSION_DENIED,
    REQUEST_MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    READER_TOO_SLOW: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UPLOADS_BUSY: grpc.StatusCode.RESOURCE_EXHAUSTED,
}
_REFUSALS: dict[int, type[Refused]] = {
    pb.ErrorDetail.REFUSED: Refused,
    pb.ErrorDetail.NOT_FOUND: NotFound,
    pb.ErrorDetail.READ_TIMEOUT: ReadTimeout,
}


def status_of(error: Refused | OperatorError) -> grpc.StatusCode:
    """The gRPC status that other clients understand."""
    if isinstance(error, NotFound):
        return grpc.StatusCode.NOT_FOUND
    if isinstance(error, ReadTimeout):
        return grpc.StatusCode.DEADLINE_EXCEEDED
    if isinstance(error, Refused):
        return _STATUS_BY_RULE.get(error.rule, grpc.StatusCode.FAILED_PRECONDITION)
    return _STATUS_BY_EXIT.get(error.code.exit_code, grpc.StatusCode.FAILED_PRECONDITION)


def to_detail(error: Refused | OperatorError) -> bytes:
    """Encoded ErrorDetail; texts are cut to what metadata carries."""
    if isinstance(error, Refused):
        kind = pb.ErrorDetail.REFUSED
        if isinstance(error, NotFound):
            kind = pb.ErrorDetail.NOT_FOUND
        elif isinstance(error, ReadTimeout):
            kind = pb.ErrorDetail.READ_TIMEOUT
        detail = pb.ErrorDetail(kind=kind, code=error.rule[:100], what=error.detail[:MAX_TEXT])
    else:
        detail = pb.ErrorDetail(
            kind=pb.ErrorDetail.OPERATOR,
            code=error.code.code,
            what=error.what[:MAX_TEXT],
            unchanged=error.unchanged[:MAX_TEXT],
            next_step=error.next_step[:MAX_TEXT],
            exit_code=error.code.exit_code,
            meaning=error.code.meaning,
        )
    data: bytes = detail.SerializeToString()
    return data


def from_rpc(error: Any, target: str) -> Refused | OperatorError:
    """What the node raised, or what went wrong on the way to it.

    `error`: a grpc.RpcError with a status, of grpc.aio or not. `target`: the socket's path.
    """
    for key, value in error.trailing_metadata() or ():
        if key == DETAIL_KEY:
            return _rebuilt(pb.ErrorDetail.FromString(value))
    status = error.code()
    if status == grpc.StatusCode.RESOURCE_EXHAUSTED and "Concurrent" in (error.details() or ""):
        code, what, step = (
            GTW_BUSY,
            f"the node at {target} has too many calls in work",
            "try again in a moment",
        )
    elif status == grpc.StatusCode.DEADLINE_EXCEEDED:
        code, what = GTW_TIMEOUT, f"the node at {target} did not answer in time"
        step = f"chainnode status --socket {shlex.quote(target)}"
    elif status == grpc.StatusCode.UNAVAILABLE:
        # The socket lies in the home's folder of sockets, unless the configuration says otherwise.
        code, what = GTW_UNREACHABLE, f"no node answers at {target}"
        step = f"chainnode run --home {shlex.quote(str(Path(target).parent.parent))}"
    else:
        what = f"the call to {target} failed: {status.name}: {(error.details() or '')[:300]}"
        code, step = GTW_BROKEN, "look into the node's log, then try again"
    return OperatorError(
        code, what, unchanged="what was sent before may have taken effect: ask for its status", next_step=step
    )


def _rebuilt(detail: pb.ErrorDetail) -> Refused | OperatorError:
    if detail.kind in _REFUSALS:
        return _REFUSALS[detail.kind](detail.code, detail.what)
    exit_code = detail.exit_code if detail.exit_code in EXIT_MEANINGS else EXIT_IN_USE
    # The client may not have loaded the room whose code this is: the meaning travels with it.
    code = ERROR_CODES.get(detail.code) or ErrorCode(detail.code, exit_code, detail.meaning)
    return OperatorError(code, detail.what, unchanged=detail.unchanged, next_step=detail.next_step)
