"""The user's own bundles, looked at before anything is started."""

from pathlib import Path

from chainnode.cli.actions.bundles import bundle_identifiers
from chainnode.intake.bundle import read_bundle
from chainnode.intake.identity import Identifier
from genesis.errors import ErrorCode, OperatorError
from tests.localnet.errors import DEMO_BUNDLE, DEMO_DATA, DEMO_PATIENT, DEMO_PATIENTS
from tests.localnet.shown import shown

MIN_BUNDLES = 8
"""One for each department of four hospitals."""


def _refused(code: ErrorCode, what: str, next_step: str) -> OperatorError:
    return OperatorError(
        code, what, unchanged="nothing was started, nothing was removed", next_step=next_step
    )


def checked(data: Path) -> list[Path]:
    """The bundles of a folder, in the order of their names, each of one patient with identifiers of its own.

    Raises OperatorError DEMO-01, -02 or -03, which names the file.
    """
    files = sorted(data.glob("*.json")) if data.is_dir() else []
    if len(files) < MIN_BUNDLES:
        found = f"holds {len(files)} *.json files" if data.is_dir() else "is not a folder"
        raise _refused(
            DEMO_DATA,
            f"{data} {found}, at least {MIN_BUNDLES} bundles of one patient each are needed",
            "make demo DATA=folder-with-FHIR-R4-bundles, or make demo for synthetic ones",
        )
    owners: dict[Identifier, Path] = {}
    for file in files:
        for identifier in _identifiers(file):
            other = owners.setdefault(identifier, file)
            if other != file:
                raise _refused(
                    DEMO_PATIENT,
                    f"{file} and {other} have a patient's identifier in common",
                    f"merge them, or move one away: mv {shown(file)} {shown(file)}.same",
                )
    return files


def _identifiers(file: Path) -> list[Identifier]:
    try:
        return bundle_identifiers(read_bundle(file))
    except OperatorError as error:
        hint = "" if "--identifier" in error.next_step else f"; or {error.next_step}"
        raise _refused(
            DEMO_BUNDLE,
            f"{file}: {error.what} ({error.code.code})",
            f"move it away: mv {shown(file)} {shown(file)}.bad{hint}",
        ) from error


def require_enough(patients: int) -> None:
    """Raises OperatorError DEMO-04."""
    if patients < MIN_BUNDLES:
        raise _refused(
            DEMO_PATIENTS,
            f"--patients is {patients}, at least {MIN_BUNDLES} are needed for all steps",
            "make demo",
        )
