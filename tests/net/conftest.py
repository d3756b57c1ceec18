import pytest

pytest.register_assert_rewrite("tests.net.transport_contract")
