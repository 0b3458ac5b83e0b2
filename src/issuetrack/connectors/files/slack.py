"""Reads a Slack export: each thread with a reply is a document.

https://slack.com/help/articles/220556107-How-to-read-Slack-data-exports
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from issuetrack.connectors import fields
from issuetrack.connectors.fields import Record
from issuetrack.connectors.files.slack_files import (
    CHANNELS,
    ExportFiles,
    Unreadable,
    decoded,
    export_files,
)
from issuetrack.connectors.files.slack_text import SlackText
from issuetrack.engine.errors import ImportFormatError
from issuetrack.engine.issues.texts import clean_line
from issuetrack.engine.sync.ports import (
    BadRecord,
    Item,
    RemoteDocument,
    SkippedRecord,
)

USERS = "users.json"
LONGEST_TITLE = 80
LONGEST_CONTENT = 65536
LEAST = 2
NOT_SAID = re.compile(
    r"(channel|group)_(join|leave|topic|purpose|name|archive|unarchive|convert\w*|"
    r"posting\w*)|bot_(add|remove|enable|disable)|pinned_item|unpinned_item|tombstone|"
    r"reminder_add|huddle_thread"
)
_MOMENT = re.compile(r"\d{1,11}(\.\d{1,9})?")
_CHANNEL = re.compile(r"[^/\\\0]{1,200}")


@dataclass(frozen=True)
class _Message:
    """One message: its own number, that of its thread, who and what."""

    number: str
    thread: str
    author: str
    text: str

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(float(self.number), UTC)


@dataclass
class SlackReader:
    """Reads the export at a path; `position` of `size` bytes tells how far it is.

    Attributes:
        spared: channels that could not be read to the end, each with a `/`.
        passed: what was left out, each with the reason.
    """

    path: Path
    size: int = 0
    position: int = 0
    spared: set[str] = field(default_factory=set)
    passed: list[str] = field(default_factory=list)
    whole: bool = True

    def items(self) -> Iterator[Item]:
        """Yield the threads; bad messages and files as `BadRecord`.

        Raises:
            NotFoundError: there is no such file or folder.
            ImportFormatError: it is no Slack export.
        """
        with export_files(self.path) as files:
            self.size = files.size
            channels = self._list(files, CHANNELS)
            if channels is None:
                raise ImportFormatError(
                    f"{self.path} has no {CHANNELS}: it is no Slack export",
                    "name its format with --format",
                )
            people = {
                str(user.get("id")): _person(user)
                for user in self._list(files, USERS) or ()
            }
            names = {str(c.get("id")): str(c.get("name")) for c in channels}
            texts = SlackText(people, names)
            for name in sorted(set(names.values())):
                yield from self._channel(files, name, people, texts)

    def _list(self, files: ExportFiles, name: str) -> list[Record] | None:
        try:
            content = files.content(name)
            found = None if content is None else decoded(content)
        except Unreadable as error:
            raise ImportFormatError(
                f"{self.path}: {name}: {error}", "export it again"
            ) from error
        if found is None:
            return None
        if not isinstance(found, list):
            raise ImportFormatError(
                f"{self.path}: {name} is no list", "export it again"
            )
        return [record for record in found if isinstance(record, dict)]

    def _channel(
        self,
        files: ExportFiles,
        channel: str,
        people: dict[str, str],
        texts: SlackText,
    ) -> Iterator[Item]:
        if not _CHANNEL.fullmatch(channel) or channel in (".", ".."):
            yield self._bad(channel, None, "it is not the name of a channel", "")
            return
        threads: dict[str, dict[str, _Message]] = {}
        for item in self._messages(files, channel, people):
            if isinstance(item, BadRecord):
                yield item
            else:
                threads.setdefault(item.thread, {})[item.number] = item
        for number in sorted(threads, key=float):
            messages = sorted(threads[number].values(), key=lambda m: float(m.number))
            if len(messages) < LEAST:
                yield SkippedRecord("message without replies")
            else:
                yield _document(channel, number, messages, texts)

    def _messages(
        self, files: ExportFiles, channel: str, people: dict[str, str]
    ) -> Iterator[_Message | BadRecord]:
        try:
            days = files.days(channel)
        except Unreadable as error:
            yield self._bad(f"{channel}/", None, str(error), "")
            return
        for day in days:
            try:
                content = files.content(day) or b"[]"
                found = decoded(content)
            except Unreadable as error:
                yield self._bad(day, None, str(error), "")
                continue
            self.position += len(content)
            yield from self._of_day(day, found, people)

    def _of_day(
        self, day: str, found: Any, people: dict[str, str]
    ) -> Iterator[_Message | BadRecord]:
        if not isinstance(found, list):
            yield self._bad(day, None, "it is no list of messages", "")
            return
        for place, record in enumerate(found, start=1):
            try:
                message = _message(record, people)
            except (ValueError, OverflowError, OSError) as error:
                yield self._bad(day, place, str(error), str(record))
                continue
            if message is not None:
                yield message

    def _bad(self, name: str, line: int | None, reason: str, content: str) -> BadRecord:
        channel, _, _ = name.partition("/")
        self.spared.add(f"{channel}/")
        return BadRecord(name, line, reason, content[:LONGEST_CONTENT])


def _person(user: Record) -> str:
    profile = user.get("profile")
    known = profile if isinstance(profile, dict) else {}
    names = (
        known.get("display_name"),
        known.get("real_name"),
        user.get("real_name"),
        user.get("name"),
    )
    found = next((name for name in names if isinstance(name, str) and name), "")
    return clean_line(found)


def _message(record: Any, people: dict[str, str]) -> _Message | None:
    """Return what a record says; None for mere notices.

    Raises:
        ValueError: a field is missing or of the wrong type.
    """
    if not isinstance(record, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - about data
    if NOT_SAID.fullmatch(fields.text(record, "subtype") or ""):
        return None
    number = fields.required(record, "ts")
    thread = fields.text(record, "thread_ts") or number
    for moment in (number, thread):
        if not _MOMENT.fullmatch(moment):
            raise ValueError(f"ts {moment[:40]!r} is no moment")
    said = _said(record)
    return _Message(number, thread, _author(record, people), said) if said else None


def _author(record: Record, people: dict[str, str]) -> str:
    profile = fields.mapping(record, "user_profile")
    names = (
        people.get(fields.text(record, "user") or ""),
        fields.text(profile, "display_name"),
        fields.text(profile, "real_name"),
        fields.text(record, "username"),
        fields.text(fields.mapping(record, "bot_profile"), "name"),
    )
    return clean_line(next((name for name in names if name), "")) or "somebody"


def _said(record: Record) -> str:
    """Return the text of a message, of what it carries, and the names of its files."""
    parts = [fields.text(record, "text") or ""]
    if not parts[0].strip():
        for carried in _records(record, "attachments"):
            names = ("pretext", "title", "text")
            said = [fields.text(carried, name) for name in names]
            parts += [text for text in said if text] or [
                fields.text(carried, "fallback") or ""
            ]
    files = [fields.text(file, "name") for file in _records(record, "files")]
    parts += [f"(file {clean_line(name)})" for name in files if name]
    return "\n".join(part for part in parts if part.strip())


def _records(record: Record, name: str) -> Iterable[Record]:
    return (item for item in fields.items(record, name) if isinstance(item, dict))


def _document(
    channel: str, number: str, messages: Sequence[_Message], texts: SlackText
) -> RemoteDocument:
    body = "\n\n".join(
        f"**{message.author}**, {message.at:%Y-%m-%d %H:%M} UTC\n\n"
        f"{texts.markdown(message.text)}"
        for message in messages
    )
    return RemoteDocument(
        key=f"{channel}/{number}",
        title=_title(channel, messages[0], texts),
        body=body,
        updated_at=messages[-1].at,
    )


def _title(channel: str, first: _Message, texts: SlackText) -> str:
    lines = (clean_line(line) for line in texts.plain(first.text).splitlines())
    title = next((line for line in lines if line), "")
    if not title:
        return f"Thread in #{clean_line(channel)}, {first.at:%Y-%m-%d %H:%M}"
    if len(title) <= LONGEST_TITLE:
        return title
    cut, _, _ = title[:LONGEST_TITLE].rpartition(" ")
    return f"{cut or title[:LONGEST_TITLE]} ..."
