"""The generated code is what the proto says."""

from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[2]
PROTO = "chainnode/gateway/gateway.proto"


def test_generated_code_is_up_to_date(tmp_path):
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    assert protoc.main(["protoc", f"-I{ROOT}", *outputs, PROTO]) == 0
    made = sorted((tmp_path / "chainnode" / "gateway").iterdir())
    assert [path.name for path in made] == ["gateway_pb2.py", "gateway_pb2.pyi", "gateway_pb2_grpc.py"]
    for path in made:
        assert path.read_bytes() == (ROOT / "chainnode" / "gateway" / path.name).read_bytes(), path.name
