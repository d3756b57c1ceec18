"""A socket serves its role's calls and no others."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from chainnode.gateway import gateway_pb2 as pb
from chainnode.gateway.roles import CALLS, SUBMITS, allowed
from chainnode.gateway.sockets import target
from chainnode.ledger.payloads import AttestEnrolment, RequestRelease
from chainnode.ledger.transaction import sign_transaction
from chainnode.node.api import Refused, Role
from consensus.codec import encode


def submission(payload):
    return encode(
        sign_transaction(
            payload,
            chain_id=b"c" * 32,
            valid_until_height=9,
            nonce=b"n" * 16,
            signer=b"k" * 32,
            sign=lambda signed: b"s" * 64,
        )
    )


def test_every_call_of_the_proto_has_a_row_in_the_table_of_roles():
    assert set(CALLS) == {method.name for method in pb.DESCRIPTOR.services_by_name["Node"].methods}
    assert set(SUBMITS) == set(Role)


def test_an_unknown_call_or_service_is_allowed_to_nobody():
    assert not any(allowed(role, "/chainnode.v1.Node/DropEverything") for role in Role)
    assert not any(allowed(role, "/other.Service/Status") for role in Role)


@pytest.mark.parametrize("call", ["IntakeKey", "Seen", "PutObject", "Halves", "Submit", "Row"])
async def test_sysadmin_lacks_clinical_calls(sysadmin, call):
    arguments = {
        "IntakeKey": lambda: sysadmin.intake_key("cardiology"),
        "Seen": lambda: sysadmin.seen([b"1" * 32]),
        "PutObject": lambda: sysadmin._call("PutObject", iter([pb.PutObjectRequest()])),
        "Halves": lambda: sysadmin.halves(b"r" * 16, role="head"),
        "Submit": lambda: sysadmin.submit(b"x"),
        "Row": lambda: sysadmin.row(b"d" * 32),
    }
    with pytest.raises(Refused) as caught:
        await arguments[call]()
    assert caught.value.rule == "role-not-allowed"
    assert "sysadmin" in caught.value.detail


async def test_researcher_lacks_the_stewards_calls_and_the_steward_the_researchers(steward, researcher):
    with pytest.raises(Refused, match="role-not-allowed"):
        await researcher.intake_key("cardiology")
    with pytest.raises(Refused, match="role-not-allowed"):
        await anext(steward.fetch(b"r" * 16, b"private"))


async def test_submit_takes_only_the_roles_kinds_of_transaction(steward, researcher, node):
    await steward.submit(submission(AttestEnrolment(b"h" * 16)))
    await researcher.submit(submission(RequestRelease(b"r" * 16)))
    assert [call[3] for call in node.calls] == ["steward", "researcher"]
    with pytest.raises(Refused, match="does not take attest-enrolment"):
        await researcher.submit(submission(AttestEnrolment(b"h" * 16)))
    with pytest.raises(Refused, match="does not take request-release"):
        await steward.submit(submission(RequestRelease(b"r" * 16)))
    assert len(node.calls) == 2


async def test_permission_denied_is_what_other_grpc_clients_see(gateway, folder):
    async with grpc.aio.insecure_channel(target(folder / "sysadmin.sock")) as channel:
        call = channel.unary_unary("/chainnode.v1.Node/IntakeKey")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"")
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_health_and_reflection_answer_every_role(gateway, folder):
    for role in Role:
        async with grpc.aio.insecure_channel(target(folder / f"{role.value}.sock")) as channel:
            request = health_pb2.HealthCheckRequest(service="chainnode.v1.Node")
            health = await health_pb2_grpc.HealthStub(channel).Check(request)
            assert health.status == health_pb2.HealthCheckResponse.SERVING
            ask = reflection_pb2.ServerReflectionRequest(list_services="")
            answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([ask]))
            listed = [item.name async for answer in answers for item in answer.list_services_response.service]
            assert "chainnode.v1.Node" in listed
