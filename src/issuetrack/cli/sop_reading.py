"""Reads Markdown files, and those of folders, verbatim; nothing outside of them."""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from issuetrack.engine.errors import ImportFormatError, NotFoundError

if TYPE_CHECKING:
    from issuetrack.engine.assistant.sops.imports import SopFile
    from issuetrack.engine.sync.ports import BadRecord

ENDINGS = (".md", ".markdown", ".mdown", ".mkd")
MOST_BYTES = 1_000_000
MOST_DEPTH = 100
OPENED = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True)
class _Found:
    """A file to be read: the name it is known by again, and where it is."""

    key: str
    path: Path


@dataclass
class SopReader:
    """Reads the files that were named; `position` of `size` bytes tells how far it is.

    A file is known by the name of its folder and its own, or within a folder that was
    named by the path from that folder on, so that it is the same either way.
    """

    paths: Sequence[Path]
    position: int = 0
    size: int = 0

    def items(self) -> "Iterator[SopFile | BadRecord]":
        """Yield the files in the order of their names, as text; bad ones with a reason.

        Raises:
            NotFoundError: there is no such file or folder.
            ImportFormatError: there is no Markdown file.
        """
        found = [entry for path in self.paths for entry in _named(path)]
        if not found:
            raise ImportFormatError(
                f"there is no Markdown file in {self.paths[0]}",
                f"they end in {', '.join(ENDINGS)}",
            )
        for entry in found:
            with contextlib.suppress(OSError):
                self.size += entry.path.lstat().st_size
        for entry in found:
            yield self._read(entry)

    def _read(self, found: _Found) -> "SopFile | BadRecord":
        from issuetrack.engine.assistant.sops.imports import SopFile
        from issuetrack.engine.sync.ports import BadRecord

        try:
            content = _content(found.path)
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
            return BadRecord(found.key, None, reason, "")
        self.position += len(content)
        if len(content) > MOST_BYTES:
            return BadRecord(found.key, None, "it is larger than 1 MB", "")
        try:
            return SopFile(found.key, content.decode("utf-8"))
        except UnicodeDecodeError as error:
            kind = "it is no text" if b"\0" in content else "it is not UTF-8"
            reason = f"{kind}: byte {error.start + 1}"
            return BadRecord(found.key, None, reason, "")


def _content(path: Path) -> bytes:
    """Return what is in a regular file, and a byte more than is taken.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    with open(os.open(path, OPENED), "rb") as file:  # noqa: PTH123 - by its descriptor
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is not a file")
        return file.read(MOST_BYTES + 1)


def _named(path: Path) -> list[_Found]:
    """Return the files that a path names.

    Raises:
        NotFoundError: there is nothing.
        ImportFormatError: the folder cannot be read.
    """
    whole = path.resolve()
    if whole.is_file():
        return [_Found(f"{whole.parent.name}/{whole.name}".lstrip("/"), whole)]
    if not whole.is_dir():
        raise NotFoundError(f"there is no file or folder {path}", "check the name")
    try:
        os.scandir(whole).close()
    except OSError as error:
        raise ImportFormatError(
            f"cannot read {path}: {error.strerror}", "check the folder"
        ) from error
    return list(_walk(whole, f"{whole.name}/".lstrip("/"), 0))


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[_Found]:
    """Yield the Markdown files of a folder; hidden ones and links are left out."""
    if depth > MOST_DEPTH:
        return
    try:
        with os.scandir(folder) as listed:
            entries = sorted(listed, key=lambda entry: entry.name)
    except OSError:
        yield _Found(prefix.rstrip("/"), folder)
        return
    for entry in entries:
        key, path = prefix + entry.name, Path(entry.path)
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, f"{key}/", depth + 1)
        elif path.suffix.lower() in ENDINGS:
            yield _Found(key, path)
