"""The vote log: what this replica said, on the disk before anybody hears it.

An append-only file `votes-<generation>.log` of frames (see `frames`). The first frame holds a
LogHeader; the others hold records, opaque here. `append` and `sync` come before a vote leaves; any
failed write poisons the log, for after a failed fdatasync nobody knows what the disk holds.

Rotation writes the records that are still needed to a new file under a temporary name, syncs it,
renames it, syncs the folder, and only then removes the old file: at every step one whole log is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from chainnode.store.errors import (
    STO_POISONED,
    damaged_votes,
    from_os_error,
    newer_format,
    other_chain,
)
from chainnode.store.filesystem import AppendFile, FileSystem, RealFileSystem
from chainnode.store.frames import (
    FRAME_OVERHEAD_BYTES,
    MAX_PAYLOAD_BYTES,
    encode_frame,
    frame_at,
    frames_beyond,
)
from consensus.codec import DecodeError, decode, encode
from genesis.errors import OperatorError

FORMAT = 1
MAX_HEADER_BYTES = 1_024
_PREFIX, _SUFFIX, _TEMPORARY, _ASIDE = "votes-", ".log", ".tmp", ".damaged"
_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Damage:
    """Records from `first_lost_sequence` on were lost although they had been synced: found at `offset`
    (bytes) of `file`. The replica may have said what it no longer knows of: it must not vote."""

    file: str
    offset: int
    first_lost_sequence: int


class LogHeader(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """First frame of a file, behind one byte with the format's number. `damage`: (file, offset, first
    lost sequence) of a damage that was not declared over; a restart must not forget it."""

    chain_id: bytes
    damage: tuple[str, int, int] | None


@dataclass(frozen=True, slots=True)
class _Contents:
    """What a file held: the header frame's payload, the whole frames behind it, where they end, the last
    sequence seen, how many bytes follow, and the damage if these had been synced."""

    header: bytes
    records: tuple[bytes, ...]
    end: int
    last_sequence: int
    rest_bytes: int
    damage: Damage | None


def _read_contents(name: str, data: bytes) -> _Contents:
    first = frame_at(data, 0)
    if first is None:
        # A file gets its name only after header and records are synced: this was no torn write.
        last = max((frame.sequence for frame in frames_beyond(data, 0)), default=0)
        return _Contents(b"", (), 0, last, 0, Damage(name, 0, 0))
    records: list[bytes] = []
    end, lost = first.size_bytes, first.sequence + 1
    while (frame := frame_at(data, end)) is not None and frame.sequence == lost:
        records.append(frame.payload)
        end += frame.size_bytes
        lost += 1
    # Further on there is room for so many frames; other numbers stand in payloads, not in frames.
    highest = lost + (len(data) - end) // FRAME_OVERHEAD_BYTES
    beyond = [frame for frame in frames_beyond(data, end) if lost <= frame.sequence <= highest]
    if any(frame.durable >= lost for frame in beyond):
        last = max(frame.sequence for frame in beyond)
        return _Contents(first.payload, tuple(records), end, last, len(data) - end, Damage(name, end, lost))
    return _Contents(first.payload, tuple(records), end, lost - 1, len(data) - end, None)


class VoteLog:
    """One writer. `size_bytes` is the current file's; `cut_bytes` is what `open` cut off as torn;
    `created` is true where there was no log before."""

    def __init__(self, folder: Path, chain_id: bytes, file_system: FileSystem) -> None:
        self._folder = folder
        self._chain_id = chain_id
        self._fs = file_system
        self._file: AppendFile | None = None
        self._generation = 0
        self._last_sequence = 0
        self._durable = 0
        self._poisoned = False
        self.damage: Damage | None = None
        self.size_bytes = 0
        self.cut_bytes = 0
        self.created = False

    @classmethod
    def open(
        cls,
        folder: Path,
        chain_id: bytes,
        file_system: FileSystem | None = None,
        *,
        must_exist: bool = False,
    ) -> "tuple[VoteLog, list[bytes], Damage | None]":
        """Open or make the log in `folder`; its records, and the damage where there is one.

        With damage, the records before it are returned and kept, the damaged file is set aside, and
        the damage is reported at every start until `rotate(..., forget_damage=True)`.
        `must_exist`: this node has executed blocks. No log is damage then (a folder that was deleted, a
        backup that leaves the votes out), with `file` "" and everything from the first record on lost.
        Raises OperatorError STO-03, -04 (disk), STO-05 (another chain's), STO-06 (newer format).
        """
        log = cls(folder, chain_id, RealFileSystem() if file_system is None else file_system)
        try:
            records = log._recover(must_exist)
        except OSError as error:
            raise from_os_error(folder, error) from error
        return log, records, log.damage

    def append(self, records: Sequence[bytes]) -> None:
        """Write records behind the last one, in one write. Durable only after `sync`.

        Raises OperatorError STO-03, -04 or -07; the log takes nothing more after that.
        """
        assert self._file is not None
        self._refuse_if_poisoned()
        frames = self._frames(records, self._durable)
        try:
            self._file.append(frames)
        except OSError as error:
            self._poisoned = True
            raise from_os_error(self._path(self._generation), error) from error
        self.size_bytes += len(frames)

    def sync(self) -> None:
        """One fdatasync: everything appended is on the disk when this returns.

        Raises as `append` does. A failed sync is never tried again: the kernel may have dropped the
        pages and report success.
        """
        assert self._file is not None
        self._refuse_if_poisoned()
        try:
            self._file.fdatasync()
        except OSError as error:
            self._poisoned = True
            raise from_os_error(self._path(self._generation), error) from error
        self._durable = self._last_sequence

    def rotate(self, kept: Sequence[bytes], *, forget_damage: bool = False) -> None:
        """Begin a new file that holds `kept` and nothing else; durable when this returns.

        `forget_damage`: voting is safe again, for a certificate lies past everything that this
        replica can have voted for. Raises as `append` does.
        """
        self._refuse_if_poisoned()
        if forget_damage:
            self.damage = None
        try:
            self._begin_file(kept)
            self._clean_folder()
        except OSError as error:
            self._poisoned = True
            raise from_os_error(self._folder, error) from error

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _refuse_if_poisoned(self) -> None:
        if self._poisoned:
            raise OperatorError(
                STO_POISONED,
                f"an earlier write to {self._folder} failed: what the disk holds is not known",
                unchanged="no vote was sent after that write",
                next_step="mend the disk and start the node again: it reads the log anew",
            )

    def _path(self, generation: int, suffix: str = _SUFFIX) -> Path:
        return self._folder / f"{_PREFIX}{generation:0{_DIGITS}d}{suffix}"

    def _generations(self) -> list[int]:
        names = [
            name[len(_PREFIX) : -len(_SUFFIX)]
            for name in self._fs.list(self._folder)
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX)
        ]
        return sorted(int(name) for name in names if len(name) == _DIGITS and name.isdecimal())

    def _frames(self, records: Sequence[bytes], durable: int) -> bytes:
        frames = []
        for record in records:
            assert 0 < len(record) <= MAX_PAYLOAD_BYTES
            self._last_sequence += 1
            frames.append(encode_frame(self._last_sequence, durable, record))
        return b"".join(frames)

    def _recover(self, must_exist: bool) -> list[bytes]:
        self._fs.make_folder(self._folder)
        generations = self._generations()
        if not generations:
            self.created = True
            self.damage = Damage("", 0, 1) if must_exist else None
            self._begin_file(())
            self._clean_folder()
            return []
        self._generation = generations[-1]
        path = self._path(self._generation)
        contents = _read_contents(path.name, self._fs.read(path))
        self._check_header(contents)
        records = list(contents.records)
        self._last_sequence = contents.last_sequence
        if contents.damage is not None:
            self.damage = contents.damage
            self._begin_file(records)
            self._fs.rename(path, path.with_suffix(_ASIDE))
            self._fs.fsync_dir(self._folder)
        else:
            self._resume(path, contents)
        self._clean_folder()
        return records

    def _check_header(self, contents: _Contents) -> None:
        path = self._path(self._generation)
        if not contents.header:
            return
        if contents.header[0] > FORMAT:
            raise newer_format(path, contents.header[0], FORMAT)
        try:
            header = decode(contents.header[1:], LogHeader, limit_bytes=MAX_HEADER_BYTES)
        except DecodeError as error:
            raise damaged_votes(path, f"its header cannot be read: {error}") from None
        if header.chain_id != self._chain_id:
            raise other_chain(path)
        self.damage = None if header.damage is None else Damage(*header.damage)

    def _resume(self, path: Path, contents: _Contents) -> None:
        """Go on in the file. What was read may be in the page cache only (a process that was killed):
        it is synced before anything is built on it."""
        if contents.rest_bytes:
            self._fs.truncate(path, contents.end)
            self.cut_bytes = contents.rest_bytes
        self._file = self._fs.open(path)
        self._file.fdatasync()
        self._fs.fsync_dir(self._folder)
        self._durable = self._last_sequence
        self.size_bytes = contents.end

    def _begin_file(self, kept: Sequence[bytes]) -> None:
        generation = self._generation + 1
        temporary, path = self._path(generation, _TEMPORARY), self._path(generation)
        if temporary.name in self._fs.list(self._folder):
            self._fs.remove(temporary)
        before = self._last_sequence
        damage = self.damage
        header = LogHeader(
            self._chain_id,
            None if damage is None else (damage.file, damage.offset, damage.first_lost_sequence),
        )
        data = self._frames((bytes([FORMAT]) + encode(header), *kept), before)
        file = self._fs.open(temporary)
        try:
            file.append(data)
            file.fdatasync()
            self._fs.rename(temporary, path)
            self._fs.fsync_dir(self._folder)
        except OSError:
            file.close()
            raise
        self.close()
        self._file = file
        self._generation = generation
        self._durable = self._last_sequence
        self.size_bytes = len(data)

    def _clean_folder(self) -> None:
        """Remove what a rotation, finished or not, has left behind."""
        current = self._path(self._generation).name
        stale = [
            name
            for name in self._fs.list(self._folder)
            if name.startswith(_PREFIX) and name.endswith((_SUFFIX, _TEMPORARY)) and name != current
        ]
        for name in stale:
            self._fs.remove(self._folder / name)
        if stale:
            self._fs.fsync_dir(self._folder)
