"""The local rows of a home without the chain beside them: for a stopped node's backup, and a restore."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from chainnode.store.chain import LOCAL_FORMAT
from chainnode.store.database import Database

_LOCAL = b"l"


class LocalRows:
    """Raises OperatorError as Database does; STO-05 and STO-06 on opening."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All rows in order, of the moment of the first step."""
        for key, value in self._database.items(_LOCAL):
            yield key[len(_LOCAL) :], value

    def write(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Durable when this returns."""
        self._database.write([(_LOCAL + key, value) for key, value in pairs])

    def close(self) -> None:
        self._database.close()


def open_local_rows(store_folder: Path, chain_id: bytes) -> LocalRows:
    """Open or make them. The caller holds the home's lock, or the home is not there yet."""
    database = Database(store_folder / "local", held_by_peers=False)
    try:
        database.bind(chain_id, LOCAL_FORMAT)
    except BaseException:
        database.close()
        raise
    return LocalRows(database)
