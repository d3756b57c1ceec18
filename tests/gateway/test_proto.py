"""The generated code is what the proto says."""

from chainnode.gateway.generate import ROOT, generate


def test_generated_code_is_up_to_date(tmp_path):
    assert generate(tmp_path) == 0
    made = sorted((tmp_path / "chainnode" / "gateway").iterdir())
    assert [path.name for path in made] == ["gateway_pb2.py", "gateway_pb2.pyi", "gateway_pb2_grpc.py"]
    for path in made:
        assert path.read_bytes() == (ROOT / "chainnode" / "gateway" / path.name).read_bytes(), path.name
