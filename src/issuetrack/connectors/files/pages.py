"""Reads a folder of Markdown, HTML and text files as documents, or one such file.

Nothing outside the folder is read: a link is followed only to a file inside it.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath, PurePosixPath

from issuetrack.connectors.files.page_text import (
    READERS,
    PageText,
    from_confluence,
    is_binary,
    page_text,
)
from issuetrack.engine.errors import ImportFormatError, NotFoundError
from issuetrack.engine.sync.ports import (
    BadRecord,
    Item,
    RemoteDocument,
    SkippedRecord,
)

MOST_PAGE = 16 * 1024 * 1024
MOST_DEPTH = 100
SHOWN_CONTENT = 65536
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_PAGES = frozenset({"attachments", "images", "styles"})
INDEX = "index.html"
OPENED = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True)
class _File:
    """A file to be read: its name within the folder, and where it is."""

    key: str
    path: Path
    from_confluence: bool = False


@dataclass(frozen=True)
class _Content:
    """What was read of a file."""

    content: bytes
    changed: datetime


class _PassedOver(Exception):  # noqa: N818 - no error: it is not a page
    """A file is rightly not read; the argument says why."""


def is_page(path: PurePath) -> bool:
    """Tell whether a file is one by the end of its name."""
    return path.suffix.lower() in READERS


@dataclass
class PageReader:
    """Reads pages; `position` of `size` bytes tells how far it is.

    Attributes:
        spared: the pages that could not be read; folders end in `/`.
        passed: what was left out, each with the reason.
    """

    path: Path
    size: int = 0
    position: int = 0
    spared: set[str] = field(default_factory=set)
    passed: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Tell whether the pages are all there are: those of a folder."""
        return self.path.is_dir()

    def items(self) -> Iterator[Item]:
        """Yield the pages; bad ones as `BadRecord`.

        Raises:
            NotFoundError: there is no such file or folder.
            ImportFormatError: there is no page, or the folder cannot be read.
        """
        found = 0
        for item in self._found():
            if isinstance(item, _File):
                item = self._read(item)
            found += not isinstance(item, SkippedRecord)
            yield item
        if not found:
            raise ImportFormatError(
                f"there is no page in {self.path}",
                f"pages are files that end in {', '.join(READERS)}",
            )

    def _found(self) -> Iterator[Item | _File]:
        if self.path.is_file():
            self.size = self.path.stat().st_size
            key = self.path.name if is_page(self.path) else f"{self.path.name}.txt"
            yield _File(key, self.path.resolve())
            return
        if not self.path.is_dir():
            raise NotFoundError(f"there is no folder {self.path}", "check the name")
        root = self.path.resolve()
        try:
            os.scandir(root).close()
        except OSError as error:
            raise ImportFormatError(
                f"cannot read {self.path}: {error.strerror}", "check the folder"
            ) from error
        self.size = sum(_sizes(root))
        yield from self._walk(root, "", root, 0)

    def _walk(
        self, folder: Path, prefix: str, root: Path, depth: int
    ) -> Iterator[Item | _File]:
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            yield self._bad(prefix, f"cannot be read: {error.strerror}", b"")
            return
        names = {entry.name for entry in entries}
        export = INDEX in names and (folder / "styles" / "site.css").is_file()
        for entry in entries:
            key = prefix + entry.name
            if entry.name.startswith("."):
                yield SkippedRecord("hidden file")
            elif export and (entry.name == INDEX or entry.name in NOT_PAGES):
                yield SkippedRecord("part of the export that is not a page")
            elif entry.is_dir(follow_symlinks=False):
                if depth == MOST_DEPTH:
                    yield self._pass_over(f"{key}/", "it is nested too deeply")
                else:
                    yield from self._walk(Path(entry.path), f"{key}/", root, depth + 1)
            else:
                yield self._file(entry, key, root, export)

    def _file(
        self, entry: "os.DirEntry[str]", key: str, root: Path, export: bool
    ) -> Item | _File:
        path = Path(entry.path)
        if entry.is_symlink():
            try:
                path = path.resolve(strict=True)
            except (OSError, RuntimeError):
                return self._pass_over(key, "it is a link that leads nowhere")
            if not path.is_relative_to(root):
                return self._pass_over(key, "it is a link out of the folder")
            if path.is_dir():
                return self._pass_over(f"{key}/", "it is a link to a folder")
        if not is_page(path) or not is_page(PurePosixPath(key)):
            return SkippedRecord("file that is not a page")
        return _File(key, path, export)

    def _read(self, file: _File) -> Item:
        try:
            read = _content_of(file.path)
            self.position += len(read.content)
        except _PassedOver as passed:
            return self._pass_over(file.key, str(passed))
        except OSError as error:
            return self._bad(file.key, f"cannot be read: {error.strerror}", b"")
        try:
            page = page_text(read.content, file.key)
        except UnicodeDecodeError as error:
            reason = f"byte {error.start + 1} is not {error.encoding.upper()}"
            return self._bad(file.key, reason, read.content)
        except RecursionError:
            return self._bad(file.key, "it is nested too deeply", read.content)
        if file.from_confluence:
            page = from_confluence(page)
        return self._document(file.key, page, read.changed)

    def _document(self, key: str, page: PageText, changed: datetime) -> Item:
        if not page.body:
            return self._pass_over(key, "it is empty")
        return RemoteDocument(key, page.title, page.body, changed)

    def _bad(self, key: str, reason: str, content: bytes) -> BadRecord:
        self.spared.add(key)
        shown = content[:SHOWN_CONTENT].decode("utf-8", "replace")
        return BadRecord(key or self.path.name, None, reason, shown)

    def _pass_over(self, key: str, reason: str) -> SkippedRecord:
        self.spared.add(key)
        self.passed.append(f"{key}: {reason}")
        return SkippedRecord(reason)


def _sizes(root: Path) -> Iterator[int]:
    """Yield how large the pages of a folder are, for the progress."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if is_page(path):
                with contextlib.suppress(OSError):
                    yield path.lstat().st_size


def _content_of(path: Path) -> _Content:
    """Return what is in a file.

    Raises:
        OSError: it cannot be read.
        _PassedOver: it is none that is read.
    """
    with open(os.open(path, OPENED), "rb") as file:  # noqa: PTH123 - by its descriptor
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode):
            raise _PassedOver("it is not a file")
        content = file.read(MOST_PAGE + 1)
    if len(content) > MOST_PAGE:
        raise _PassedOver("it is larger than 16 MiB")
    if is_binary(content):
        raise _PassedOver("it is not a text")
    if not content.strip():
        raise _PassedOver("it is empty")
    return _Content(content, _moment(facts.st_mtime))


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return EPOCH
