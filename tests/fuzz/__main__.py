"""`make fuzz MINUTES=n`: damage every format for n minutes, each round with other seeds.

What comes out wrong is shown with the command that replays it."""

import argparse
import sys
import time

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.damage import damaged
from tests.fuzz.formats import Format, formats

EXAMPLES = 300
LONG = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def attack(one: Format, number: int) -> None:
    """One round against one format. Raises whatever its decoder should not have."""

    @seed(number)
    @settings(LONG)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        example = data.draw(st.sampled_from(one.examples))
        one.taken(data.draw(damaged(one.spelling, example)))

    run()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    parser.add_argument("--format", choices=[*formats()], help="this one alone, for one round")
    asked = parser.parse_args()
    if asked.format:
        attack(formats()[asked.format], asked.seed)
        return 0
    deadline = time.monotonic() + 60 * asked.minutes
    round_, failed = asked.seed, 0
    while time.monotonic() < deadline and not failed:
        for name, one in formats().items():
            try:
                attack(one, round_)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                failed += 1
                print(f"{name}: {type(error).__name__}: {error}", *getattr(error, "__notes__", ()), sep="\n")
                print(f'replay: python -m tests.fuzz --format "{name}" --seed {round_}')
        round_ += 1
        print(f"round {round_}: {len(formats())} formats, {EXAMPLES} inputs each", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
