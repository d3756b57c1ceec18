"""What is written is to be there after the power went."""

import os
from pathlib import Path


def sync_path(path: Path) -> None:
    """fsync of a file's content, or of the names in a folder. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
