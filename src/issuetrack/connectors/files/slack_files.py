"""The files of a Slack export, in a folder or a zip file; nothing is unpacked."""

import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from issuetrack.engine.errors import ImportFormatError, NotFoundError

CHANNELS = "channels.json"
MOST_MEMBERS = 200_000
MOST_MEMBER = 64 * 1024 * 1024
MOST_READ = 4 * 1024 * 1024 * 1024
ZIP_FAILS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    NotImplementedError,
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d\.json")


class Unreadable(Exception):  # noqa: N818 - the condition's own name
    """A file of the export cannot be read; the argument says why."""


class ExportFiles(Protocol):
    """The files of one export.

    Attributes:
        size: the bytes of all that is read.
    """

    size: int

    def content(self, name: str) -> bytes | None:
        """Return a file; None where it is not there.

        Raises:
            Unreadable: it is too large or damaged.
        """
        ...

    def days(self, channel: str) -> list[str]:
        """Return the names of the files of a channel, the first day first."""
        ...


def decoded(content: bytes) -> Any:
    """Return the JSON of a file.

    Raises:
        Unreadable: it is not JSON.
    """
    try:
        return json.loads(content.decode("utf-8-sig"))
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error
    except ValueError as error:
        raise Unreadable("it is not JSON") from error


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        days = self._root.glob("*/*.json")
        self.size = sum(path.lstat().st_size for path in days)

    def content(self, name: str) -> bytes | None:
        path = self._root / name
        try:
            if not path.resolve(strict=True).is_relative_to(self._root):
                raise Unreadable("it is a link out of the folder")
            if not path.is_file():
                raise Unreadable("it is not a file")
            with path.open("rb") as file:
                return _at_most(file.read(MOST_MEMBER + 1))
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError) as error:
            raise Unreadable(f"cannot be read: {error}") from error

    def days(self, channel: str) -> list[str]:
        try:
            names = sorted(path.name for path in (self._root / channel).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}") from error
        return [f"{channel}/{name}" for name in names if _DAY.fullmatch(name)]


class _Zip:
    """A zip file; members are read whole, one at a time, and never written."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive
        self._read = 0
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise ImportFormatError(
                f"{path} has more than {MOST_MEMBERS} files",
                "unpack it, and import that",
            )
        tops = [
            info.filename.removesuffix(CHANNELS)
            for info in members
            if info.filename.split("/")[-1] == CHANNELS
            and info.filename.count("/") <= 1
        ]
        if not tops:
            raise ImportFormatError(
                f"{path} has no {CHANNELS}: it is no Slack export",
                "unpack other zip files, and import the folder",
            )
        top = min(tops, key=len)
        self._members = {
            info.filename.removeprefix(top): info
            for info in members
            if info.filename.startswith(top)
        }
        self.size = sum(i.file_size for i in members if i.file_size <= MOST_MEMBER)

    def content(self, name: str) -> bytes | None:
        member = self._members.get(name)
        if member is None:
            return None
        try:
            with self._archive.open(member) as file:
                content = _at_most(file.read(MOST_MEMBER + 1))
        except ZIP_FAILS as error:
            raise Unreadable(f"it is damaged: {error}") from error
        self._read += len(content)
        if self._read > MOST_READ:
            raise ImportFormatError(
                f"{self._path} holds more than 4 GiB",
                "unpack it, and import parts of it",
            )
        return content

    def days(self, channel: str) -> list[str]:
        start = f"{channel}/"
        return sorted(
            name
            for name in self._members
            if name.startswith(start) and _DAY.fullmatch(name.removeprefix(start))
        )


def _at_most(content: bytes) -> bytes:
    if len(content) > MOST_MEMBER:
        raise Unreadable("it is larger than 64 MiB")
    return content


@contextmanager
def export_files(path: Path) -> Iterator[ExportFiles]:
    """Give the files of an export.

    Raises:
        NotFoundError: there is no such file or folder.
        ImportFormatError: it is no folder and no zip file.
    """
    if path.is_dir():
        yield _Folder(path)
        return
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", "check the name") from error
    except (*ZIP_FAILS, ValueError) as error:
        raise ImportFormatError(
            f"{path} is not a whole zip file", "download it again"
        ) from error
    except OSError as error:
        raise ImportFormatError(
            f"cannot read {path}: {error.strerror}", "check the file"
        ) from error
    with archive:
        yield _Zip(path, archive)
