"""Sample bundles: synthetic patients, written where they can be looked at and taken in."""

from pathlib import Path

from chainnode.intake.synthetic import synthetic_bundle

SEED = 7


def write_bundles(folder: Path, count: int) -> list[Path]:
    """FHIR R4 transaction bundles of one patient each, the same ones at every call."""
    folder.mkdir()
    files = []
    for number in range(count):
        file = folder / f"patient-{number:03d}.json"
        file.write_bytes(synthetic_bundle(SEED, number))
        files.append(file)
    return files
