"""The planted faults: the same ones in the same order each time, each in one place."""

import ast

from tests.mutation.mutants import mutants_of

SOURCE = '''
LIMIT = 2


def holds(one: int, many: list[int]) -> bool:
    """A sentence."""
    if one < LIMIT and many:
        many.append(one)
    return one in many
'''


def test_a_module_has_the_same_faults_in_the_same_order_each_time():
    keys = [mutant.key for mutant in mutants_of(SOURCE, "m.py")]
    assert keys == [
        "m.py module: `2` -> `3`",
        "m.py module: `2` -> `1`",
        "m.py holds: `one < LIMIT and many` -> `one < LIMIT or many`",
        "m.py holds: `one < LIMIT and many` -> `many`",
        "m.py holds: `one < LIMIT and many` -> `one < LIMIT`",
        "m.py holds: `one < LIMIT` -> `one <= LIMIT`",
        "m.py holds: `many.append(one)` -> `pass`",
        "m.py holds: `one in many` -> `one not in many`",
    ]


def test_a_planted_fault_changes_its_place_alone():
    tree = ast.parse(SOURCE)
    for mutant in mutants_of(SOURCE, "m.py"):
        planted, before = ast.unparse(mutant.planted(tree)), ast.unparse(tree)
        assert planted != before
        assert sum(a != b for a, b in zip(planted.splitlines(), before.splitlines(), strict=True)) == 1
