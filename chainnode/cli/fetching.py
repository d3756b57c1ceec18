"""Objects of a release that could not be opened, as errors that a person can act on."""

from chainnode.cli.errors import CLI_FETCH, CLI_UNDELIVERED
from genesis.errors import OperatorError

NOT_YET = ("parts-missing", "partials-too-few")
"""Rules of objects that may open later: a part is under way, or too few trustees have answered truly."""
LISTED = 10
"""Objects named in an error; all of them stand in the output of --json."""


def raise_failures(failed: list[tuple[bytes, str]]) -> None:
    """What did not open is an error; what has merely not arrived is another one."""
    missing = [id_ for id_, rule in failed if rule in NOT_YET]
    broken = [(id_, rule) for id_, rule in failed if rule not in NOT_YET]
    if broken:
        listed = "; ".join(f"{id_.hex()}: {rule}" for id_, rule in broken[:LISTED])
        more = f"; and {len(broken) - LISTED} more" if len(broken) > LISTED else ""
        raise OperatorError(
            CLI_FETCH,
            f"{len(broken)} objects could not be opened: {listed}{more}",
            unchanged="the others are in the workspace",
            next_step="show the object's id to the hospital that provides it: its copy is damaged",
        )
    if missing:
        raise OperatorError(
            CLI_UNDELIVERED,
            f"of {len(missing)} objects not all parts have arrived (the first is {missing[0].hex()})",
            unchanged="the others are in the workspace",
            next_step="run it again later; `chainnode request trustees` says whom standing consents wait for",
        )
