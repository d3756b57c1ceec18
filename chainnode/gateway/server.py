"""The gRPC servers of a node: one a role, each on a Unix socket of its own."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chainnode.gateway import failure, sockets
from chainnode.gateway import gateway_pb2_grpc as pb_grpc
from chainnode.gateway.errors import GTW_PERMISSION, ROLE_NOT_ALLOWED
from chainnode.gateway.limits import Limits
from chainnode.gateway.roles import SERVICE, allowed
from chainnode.gateway.service import NodeService
from chainnode.node.api import NodeApi, Refused, Role
from chainnode.node.config import SocketConfig
from genesis.errors import OperatorError, quoted

_log = structlog.get_logger("gateway")


class RoleGuard(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Refuses every call that the socket's role may not make, before its body is read."""

    def __init__(self, role: Role) -> None:
        self._role = role

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        if allowed(self._role, details.method):
            return await continuation(details)
        _log.warning("gateway.role-refused", role=self._role.value, call=details.method)
        call = details.method.rpartition("/")[2]
        error = Refused(ROLE_NOT_ALLOWED, f"the {self._role.value} socket does not serve {call}")

        async def refuse(_: Any, context: Any) -> None:
            metadata = ((failure.DETAIL_KEY, failure.to_detail(error)),)
            await context.abort(failure.status_of(error), str(error), metadata)

        # A handler of bytes answers calls of every type: nothing of the request is decoded.
        return grpc.stream_stream_rpc_method_handler(refuse)


class Gateway:
    """Serves `api` on the sockets given until `stop`."""

    def __init__(self, api: NodeApi, configs: Sequence[SocketConfig], limits: Limits | None = None) -> None:
        self._api = api
        self._configs = tuple(configs)
        self._limits = limits or Limits()
        self._servers: list[tuple[grpc.aio.Server, health.aio.HealthServicer, SocketConfig]] = []

    async def start(self) -> None:
        """Open all sockets, or none.

        Raises OperatorError GTW-02 (in use), GTW-03 (path too long), GTW-04 (permission).
        """
        for config in self._configs:
            sockets.check_length(config.path)
        try:
            for config in self._configs:
                await self._open(config)
        except OperatorError:
            await self.stop(grace_ms=0)
            raise

    async def _open(self, config: SocketConfig) -> None:
        bound = sockets.prepare(config)
        server = self._server(config.role)
        try:
            checks = await self._register(server, config.role)
            server.add_insecure_port(sockets.target(bound))
            sockets.publish(config)
            await server.start()
        except RuntimeError as error:  # gRPC's word for a failed bind
            await server.stop(None)
            raise OperatorError(
                GTW_PERMISSION,
                f"the socket {config.path} cannot be bound: {error}",
                unchanged="no socket was opened",
                next_step=f"ls -ld {quoted(config.path.parent)}",
            ) from None
        except OperatorError:
            await server.stop(None)
            raise
        self._servers.append((server, checks, config))
        _log.info("gateway.listening", role=config.role.value, path=str(config.path), mode=oct(config.mode))

    def _server(self, role: Role) -> grpc.aio.Server:
        limits = self._limits
        return grpc.aio.server(
            interceptors=[RoleGuard(role)],
            maximum_concurrent_rpcs=limits.calls,
            options=[
                ("grpc.max_receive_message_length", limits.message_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_concurrent_streams", limits.calls_per_connection),
                ("grpc.max_metadata_size", 8_192),
                ("grpc.max_connection_idle_ms", limits.idle_connection_ms),
                # A peer that does not even answer pings is gone, or holds memory on purpose.
                ("grpc.keepalive_time_ms", limits.stall_ms),
                ("grpc.keepalive_timeout_ms", limits.stall_ms),
                ("grpc.http2.max_pings_without_data", 0),
                ("grpc.so_reuseport", 0),
            ],
        )

    async def _register(self, server: grpc.aio.Server, role: Role) -> health.aio.HealthServicer:
        pb_grpc.add_NodeServicer_to_server(NodeService(self._api, role, self._limits), server)
        checks = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        await checks.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        return checks

    async def stop(self, grace_ms: int = 2_000) -> None:
        """Tell health checkers, let calls end for `grace_ms`, close and remove the sockets."""
        for _, checks, _ in self._servers:
            await checks.enter_graceful_shutdown()
        for server, _, config in self._servers:
            await server.stop(grace_ms / 1_000)
            sockets.withdraw(config)
        self._servers.clear()
