"""The program log: JSON lines in the state directory, redacted, never in the way.

It tells what the program did, not what is in the tickets: nothing here is given the
text of one. What cannot be written is dropped, because a full disk or a read-only home
is no reason to fail.
"""

import json
import logging
import logging.handlers
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:
    fcntl = None

LOGGER = "issuetrack"
FILE = "issuetrack.log"
FILES, FILE_BYTES = 5, 1_000_000
FRAMES, MESSAGE_LENGTH = 50, 4000
PLAIN = {"plain": True}
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600


def _unchanged(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Frame:
    """Where in the code something was: no source line, no variables."""

    file: str
    line: int
    function: str


def frames_of(trace: TracebackType | None) -> list[Frame]:
    """Return the frames of a traceback, the innermost last."""
    from issuetrack.engine.redaction import redact

    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(Frame(redact(code.co_filename), trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return found[-FRAMES:]


def told(error: BaseException) -> str:
    """Return the first line of an exception's message, redacted."""
    from issuetrack.engine.redaction import redact

    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a message that fails is no message
        return ""
    return redact(text).partition("\n")[0][:MESSAGE_LENGTH]


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object in one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, without what arguments it was made of.

        Whoever logs nothing but names of ours and numbers says so with `PLAIN`; all
        else is redacted.
        """
        message, redacted = record.getMessage(), _unchanged
        if not getattr(record, "plain", False) or record.exc_info:
            from issuetrack.engine.redaction import redact, redact_value

            message, redacted = redact(message)[:MESSAGE_LENGTH], redact_value
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": message,
            "process": record.process,
        }
        kind, _, trace = record.exc_info or (None, None, None)
        if kind is not None:
            frames = [vars(frame) for frame in frames_of(trace)]
            line["exception"] = {"type": kind.__qualname__, "frames": frames}
        return json.dumps(redacted(line), ensure_ascii=True)


class SharedLog(logging.handlers.RotatingFileHandler):
    """A rotated file that several processes may write at once.

    A line is one write to a file opened for appending, so that lines stay whole. Whoever
    finds the file moved away by another process opens the new one.
    """

    def __init__(self, path: Path, size: int = FILE_BYTES) -> None:
        super().__init__(path, maxBytes=size, backupCount=FILES - 1, delay=True)
        self.setFormatter(JsonLines())

    def _open(self) -> Any:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(self.baseFilename, flags, PRIVATE_FILE)
        return os.fdopen(descriptor, "ab", buffering=0)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; what goes wrong is dropped."""
        try:
            line = f"{self.format(record)}\n".encode()
            self._make_room(len(line))
            os.write(self._descriptor(), line)
        except Exception:  # noqa: BLE001 - a log must not disturb the program
            return

    def _make_room(self, length: int) -> None:
        """Open the file, and begin another one when the line would be too much."""
        self._reopen()
        if self._size() + length <= self.maxBytes:
            return
        with _alone(Path(f"{self.baseFilename}.lock")):
            self._reopen()
            if self._size() + length > self.maxBytes:
                self.doRollover()
                self._reopen()

    def _descriptor(self) -> int:
        stream: Any = self.stream
        return int(stream.fileno())

    def _size(self) -> int:
        return os.fstat(self._descriptor()).st_size

    def _reopen(self) -> None:
        """Open the file, unless it is open and still in its place."""
        stream: Any = self.stream
        if stream is not None:
            if not self._moved(stream):
                return
            stream.close()
        self.stream = self._open()

    def _moved(self, stream: Any) -> bool:
        try:
            return not os.path.samestat(
                os.fstat(stream.fileno()), Path(self.baseFilename).stat()
            )
        except FileNotFoundError:
            return True


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep other processes from rotating during the block."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, PRIVATE_FILE), "w") as lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def logging_to(folder: Path, *extra: logging.Handler) -> Iterator[None]:
    """Log to the file in a folder, and to further handlers, while the block runs.

    Args:
        folder: the state directory; made where it is missing.
        extra: handlers that show records to a person.
    """
    logger = logging.getLogger(LOGGER)
    handlers = [*extra, *_file_handler(folder)]
    before = logger.level, logger.propagate
    logger.setLevel(min([logging.INFO, *(handler.level for handler in extra)]))
    logger.propagate = False
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
            handler.close()
        logger.setLevel(before[0])
        logger.propagate = before[1]


def _file_handler(folder: Path) -> list[logging.Handler]:
    try:
        private_folder(folder)
    except OSError:
        return [logging.NullHandler()]
    return [SharedLog(folder / FILE)]


def private_folder(folder: Path) -> None:
    """Make a folder that only its owner may open.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def last_lines(folder: Path, count: int) -> list[str]:
    """Return the last lines of the log, over its files, the newest last."""
    lines: list[str] = []
    for number in range(FILES):
        path = folder / (f"{FILE}.{number}" if number else FILE)
        if len(lines) >= count:
            break
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        lines = text.splitlines() + lines
    return lines[-count:]
