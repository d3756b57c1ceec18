from collections.abc import Iterator

import pytest
import structlog

pytest.register_assert_rewrite(
    "tests.net.transport_contract", "tests.net.hostile_contract", "tests.net.transport_net"
)


@pytest.fixture(scope="package", autouse=True)
def _quiet() -> Iterator[None]:
    """Threads log between tests, where nothing captures it."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()
