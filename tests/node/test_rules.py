"""Every rule by which a node refuses has a sentence in the reference."""

import re
from pathlib import Path

import chainnode.node
from chainnode.ledger.rules import RULES
from chainnode.node.errors import NODE_RULES
from chainnode.pool.errors import RULES as POOL_RULES


def test_every_refusal_of_the_node_names_a_known_rule() -> None:
    named: set[str] = set()
    for file in Path(chainnode.node.__path__[0]).glob("*.py"):
        text = file.read_text(encoding="utf-8")
        named |= set(re.findall(r'(?:Refused|NotFound|ReadTimeout|Refusal)\(\s*"([a-z-]+)"', text))
    assert named
    assert named <= {*RULES, *NODE_RULES, *POOL_RULES}
    assert set(NODE_RULES) <= named, "no rule without use"
