"""Every code that is used has its sentence, and every sentence a code that is used."""

import ast
from pathlib import Path

import pytest

from chainnode.ledger.rules import (
    FORM_RULES,
    RULES,
    STATE_RULES,
    VERDICT_RULES,
    VERIFICATION_RULES,
    Refusal,
)

LEDGER = Path(__file__).resolve().parents[2] / "chainnode" / "ledger"
RAISING = {"RefusedError", "Refusal", "VerificationError", "Verdict"}


def literals() -> set[str]:
    """Strings in the ledger's code outside of rules.py."""
    found: set[str] = set()
    for path in sorted(LEDGER.glob("*.py")):
        if path.name != "rules.py":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found |= {
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
    return found


def raised() -> set[str]:
    """First arguments of what carries a rule, and second ones of `require`."""
    found: set[str] = set()
    for path in sorted(LEDGER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                which = 1 if node.func.id == "require" else 0
                known = node.func.id in RAISING or node.func.id == "require"
                item = node.args[which] if known and len(node.args) > which else None
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    found.add(item.value)
    return found - {""}


def test_every_code_that_is_used_has_a_sentence() -> None:
    assert len(raised()) > 40
    assert raised() <= set(RULES)


def test_every_sentence_belongs_to_a_code_that_is_used() -> None:
    composed = {f"{role}-{word}" for role in ("steward", "head") for word in ("not-signed", "denied")}
    from_codec = {"too-large", "malformed", "non-canonical"}
    assert set(RULES) - composed - from_codec <= literals()


def test_codes_are_distinct_and_sentences_are_sentences() -> None:
    groups = (FORM_RULES, STATE_RULES, VERDICT_RULES, VERIFICATION_RULES)
    assert sum(len(group) for group in groups) == len(RULES)
    assert all(text[0].isupper() and text.endswith(".") for text in RULES.values())


def test_a_refusal_of_an_unknown_rule_is_a_fault_of_ours() -> None:
    assert str(Refusal("revoked")).startswith("revoked: The patient")
    with pytest.raises(AssertionError):
        Refusal("because")
