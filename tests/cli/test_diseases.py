"""A file of diseases becomes the tree that the validators agree on by its digest."""

import json
from pathlib import Path

import pytest

from chainnode.cli.actions.diseases import parse_diseases
from chainnode.ledger.diseases import feature_name
from chainnode.ledger.features import known
from genesis.errors import OperatorError

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "diseases.json"


def test_the_example_of_the_docs_is_a_tree_and_its_labels_do_not_matter():
    document, tree = parse_diseases(EXAMPLE.read_bytes())
    assert len(tree.terms) == 13 and known(feature_name(document))
    content = json.loads(EXAMPLE.read_text())
    for term in content["terms"].values():
        term.pop("label")
    content["terms"] = dict(reversed(content["terms"].items()))
    assert parse_diseases(json.dumps(content).encode())[0] == document
    content["terms"]["MONDO:0004979"]["parents"] = []
    assert feature_name(parse_diseases(json.dumps(content).encode())[0]) != feature_name(document)


def test_the_command_says_by_which_feature_it_is_agreed_on(cli):
    said = cli("diseases", "check", EXAMPLE, "--json").json
    assert said["feature"] == feature_name(parse_diseases(EXAMPLE.read_bytes())[0]) and said["terms"] == 13
    assert f"member propose feature {said['feature']}" in cli("diseases", "check", EXAMPLE).out


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "cannot be taken"),
        (b"\xff", "cannot be taken"),
        (b"[" * 60_000, "cannot be taken"),
        (b'{"name": "n", "version": "1"}', "terms"),
        (b'{"name": "n", "version": "1", "terms": {}, "more": 1}', "more"),
        (b'{"name": "n", "version": "1", "terms": {}}', "0 terms"),
        (b'{"name": "n", "version": "1", "terms": {"a": {"parents": ["b"]}}}', "a parent of a"),
        (b'{"name": "n", "version": "1", "terms": {"a": {"parents": ["a"]}}}', "a lies above itself"),
    ],
)
def test_what_is_no_tree_is_refused_by_what_does_not_fit(data, named):
    with pytest.raises(OperatorError) as caught:
        parse_diseases(data)
    assert caught.value.code.code == "CLI-02" and named in caught.value.what
