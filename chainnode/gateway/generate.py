"""Make the Python code of gateway.proto: python -m chainnode.gateway.generate

Needs grpcio-tools (a development dependency) of the version that requirements.lock pins.
"""

import sys
from pathlib import Path

from grpc_tools import protoc  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
PROTO = "chainnode/gateway/gateway.proto"


def generate(folder: Path) -> int:
    """Write *_pb2.py, *_pb2.pyi and *_pb2_grpc.py below `folder`; protoc's exit code."""
    outputs = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
    code: int = protoc.main(["protoc", f"-I{ROOT}", *outputs, PROTO])
    return code


if __name__ == "__main__":
    sys.exit(generate(ROOT))
