"""What counts as moved between two runs, and what is noise."""

from msgspec import structs

from bench.compare import LEAST_CHANGE, compare, print_comparison
from bench.report import console
from bench.results import Figure, Results
from tests.bench.figures import CONFIG, around, figure, results


def pair(own: float, base: float, spread_part: float = 0.02) -> list[Figure]:
    """A floor and a figure above it."""
    floor_ns = around(base, 0.0)
    return [figure("floor", floor_ns), figure("own", around(own, spread_part), "floor", floor_ns)]


def test_the_same_run_twice_has_moved_nowhere() -> None:
    found = compare(results(*pair(120, 100)), results(*pair(120, 100)))
    assert found.moved == ()
    assert found.steady == 2


def test_a_figure_that_costs_more_than_before_is_slower() -> None:
    found = compare(results(*pair(120, 100)), results(*pair(150, 100)))
    assert [(one.name, one.is_floor) for one in found.moved] == [("own", False)]
    assert round(found.moved[0].change, 2) == 0.25
    assert found.steady == 1


def test_a_figure_that_costs_less_is_faster() -> None:
    found = compare(results(*pair(150, 100)), results(*pair(120, 100)))
    assert [round(one.change, 2) for one in found.moved] == [-0.2]


def test_a_slower_machine_moves_the_floor_and_no_figure() -> None:
    found = compare(results(*pair(120, 100)), results(*pair(240, 200)))
    assert [(one.name, one.is_floor) for one in found.moved] == [("floor", True)]


def test_overlapping_intervals_are_noise_however_far_the_medians_lie_apart() -> None:
    wide = compare(results(*pair(120, 100, 0.5)), results(*pair(150, 100, 0.5)))
    narrow = compare(results(*pair(120, 100, 0.01)), results(*pair(150, 100, 0.01)))
    assert wide.moved == ()
    assert len(narrow.moved) == 1


def test_a_change_below_what_two_equal_runs_show_is_noise_however_narrow_the_intervals() -> None:
    before = results(*pair(100, 100, 0.0001))
    assert compare(before, results(*pair(100 * (1 + LEAST_CHANGE) - 1, 100, 0.0001))).moved == ()
    assert len(compare(before, results(*pair(100 * (1 + LEAST_CHANGE) + 1, 100, 0.0001))).moved) == 1


def test_a_figure_that_waits_is_not_judged_where_its_floor_waited_otherwise() -> None:
    def waiting(own: float, base: float) -> Results:
        return results(*(structs.replace(one, clock="wall") for one in pair(own, base)))

    found = compare(waiting(300, 100), waiting(600, 400))
    assert found.unjudged == ("suite: group: own",)
    assert [one.name for one in found.moved] == ["floor"]
    assert [one.name for one in compare(waiting(300, 100), waiting(600, 100)).moved] == ["own"]


def test_too_few_rounds_say_nothing_however_far_apart() -> None:
    def rounds(count: int, own: float) -> Results:
        base = around(100, 0.0, count)
        return results(figure("floor", base), figure("own", around(own, 0.01, count), "floor", base))

    few = compare(rounds(3, 100), rounds(15, 300))
    assert few.few == ("suite: group: floor", "suite: group: own")
    assert few.moved == () and few.steady == 0
    assert [one.name for one in compare(rounds(4, 100), rounds(4, 300)).moved] == ["own"]


def test_a_figure_with_another_floor_than_before_is_not_judged() -> None:
    base = around(100, 0.0)
    old = results(figure("floor", base), figure("own", around(120), "floor", base))
    new = results(figure("floor", base), figure("own", around(900)))
    assert compare(old, new).unjudged == ("suite: group: own",)


def test_the_largest_change_stands_first() -> None:
    base = around(100, 0.0)
    before = [figure("floor", base), *(figure(name, around(200), "floor", base) for name in "abc")]
    after = [
        figure("floor", base),
        figure("a", around(240), "floor", base),
        figure("b", around(100), "floor", base),
        figure("c", around(300), "floor", base),
    ]
    found = compare(results(*before), results(*after))
    assert [one.name for one in found.moved] == ["b", "c", "a"]


def test_figures_of_one_run_only_and_other_conditions_are_named() -> None:
    old = results(*pair(120, 100))
    new = results(figure("other", around(5)), config={**CONFIG, "cores": 4, "rich": "15"})
    found = compare(old, new)
    assert found.gone == ("suite: group: floor", "suite: group: own")
    assert found.added == ("suite: group: other",)
    assert found.config == (("cores", "2", "4"), ("rich", "-", "15"))


def test_the_report_says_what_moved_by_how_much_and_how_many_stayed(capsys) -> None:
    new = results(*pair(300, 200), config={**CONFIG, "cores": 4})
    print_comparison(console(), compare(results(*pair(120, 100)), new))
    text = capsys.readouterr().out
    assert "suite: group: own" in text and "25% slower" in text
    assert "floors themselves moved" in text and "100% slower" in text
    assert "differs: cores: 2 -> 4" in text
    assert "2 moved, 0 stayed" in text
