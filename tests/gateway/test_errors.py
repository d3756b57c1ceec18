"""What the node raises is raised at the client again, and nothing more than that is shown."""

import grpc
import pytest

from chainnode.gateway import failure
from chainnode.gateway.client import GatewayClient
from chainnode.gateway.errors import GTW_BUSY, GTW_IN_USE
from chainnode.node.api import NotFound, ReadTimeout, Refused
from genesis.errors import EXIT_ENVIRONMENT, EXIT_IN_USE, OperatorError


async def test_an_operator_error_keeps_its_three_parts_and_exit_code(steward):
    with pytest.raises(OperatorError) as caught:
        await steward.read(b"disk")
    error = caught.value
    assert str(error) == "error[STO-77]: the disk is full"
    assert (error.unchanged, error.next_step, error.code.exit_code) == (
        "all of it",
        "df -h",
        EXIT_ENVIRONMENT,
    )


async def test_not_found_stays_not_found(steward):
    with pytest.raises(NotFound) as caught:
        await steward.row(b"d" * 32)
    assert (caught.value.rule, caught.value.detail) == ("row-erased", "the row was erased")


async def test_a_fault_of_the_node_does_not_show_its_insides(steward):
    with pytest.raises(OperatorError) as caught:
        await steward.read(b"boom")
    assert "BUG-01" in caught.value.what
    assert "secret" not in caught.value.what


@pytest.mark.parametrize("kind", [Refused, NotFound, ReadTimeout])
def test_each_refusal_survives_the_detail_message(kind):
    detail = failure.to_detail(kind("a-rule", "a sentence"))
    rpc = grpc.aio.AioRpcError(
        grpc.StatusCode.UNKNOWN, grpc.aio.Metadata(), grpc.aio.Metadata((failure.DETAIL_KEY, detail)), ""
    )
    rebuilt = failure.from_rpc(rpc, "socket")
    assert type(rebuilt) is kind
    assert (rebuilt.rule, rebuilt.detail) == ("a-rule", "a sentence")


def test_a_long_text_is_cut_to_what_metadata_carries():
    error = OperatorError(GTW_IN_USE, "w" * 9_000, unchanged="u" * 9_000, next_step="n" * 9_000)
    assert len(failure.to_detail(error)) < 8_000


def test_too_many_calls_read_as_busy():
    rpc = grpc.aio.AioRpcError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.aio.Metadata(),
        grpc.aio.Metadata(),
        "Concurrent RPC limit exceeded!",
    )
    assert failure.from_rpc(rpc, "socket").code is GTW_BUSY


async def test_no_socket_names_the_command_that_starts_a_node(tmp_path):
    with pytest.raises(OperatorError) as caught:
        await GatewayClient(tmp_path / "run" / "steward.sock").__aenter__()
    assert caught.value.code.code == "GTW-01"
    assert caught.value.code.exit_code == EXIT_IN_USE
    step, _, remark = caught.value.next_step.partition("  # ")
    assert step == f"chainnode run --home {tmp_path}"
    assert remark.endswith("systemctl start chainnode")


async def test_a_node_that_stops_in_the_middle_is_reported_as_unreachable(gateway, steward):
    await gateway.stop(grace_ms=0)
    with pytest.raises(OperatorError) as caught:
        await steward.status()
    assert caught.value.code.code == "GTW-01"


async def test_fields_of_a_wrong_length_are_refused(steward, node):
    for call in (
        lambda: steward.object(b"short"),
        lambda: steward.row(b"short"),
        lambda: steward.seen([b"short"]),
        lambda: steward.read(b"key", limit=10_001),
        lambda: steward.link_subject([b"1" * 32] * 1_001, b"h" * 16),
    ):
        with pytest.raises(Refused) as caught:
            await call()
        assert caught.value.rule == "request-malformed"
    assert node.calls == []
