"""Slack's own markup as Markdown.

https://docs.slack.dev/messaging/formatting-message-text
"""

import re
from collections.abc import Mapping

_CODE = re.compile(r"```(?P<block>.+?)```|`(?P<span>[^`\n]+)`", re.DOTALL)
_TAG = re.compile(r"<(?P<target>[^<>|\n]{1,2000})(?:\|(?P<label>[^<>\n]{0,2000}))?>")
_BOLD = re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\w*])")
_ITALIC = re.compile(r"(?<![\w_])_(?=\S)([^_\n]+?)(?<=\S)_(?![\w_])")
_STRUCK = re.compile(r"(?<![\w~])~(?=\S)([^~\n]+?)(?<=\S)~(?![\w~])")
_BULLET = re.compile(r"(?m)^(\s*)[\u2022\u25e6\u25aa]\s+")
_HEADING = re.compile(r"(?m)^(\s{0,3})(#{1,6}\s)")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"))


def _entities(text: str) -> str:
    for written, meant in _ENTITIES:
        text = text.replace(written, meant)
    return text


class SlackText:
    """Converts texts of one export.

    Args:
        people: names by user id.
        channels: names by channel id.
    """

    def __init__(self, people: Mapping[str, str], channels: Mapping[str, str]) -> None:
        self._people = people
        self._channels = channels

    def markdown(self, text: str) -> str:
        """Return a message as Markdown."""
        parts, end = [], 0
        for match in _CODE.finditer(text):
            parts += [self._prose(text[end : match.start()]), self._code(match)]
            end = match.end()
        parts.append(self._prose(text[end:]))
        return "".join(parts).strip()

    def plain(self, text: str) -> str:
        """Return a message without any markup."""
        bare = _CODE.sub(lambda match: match["block"] or match["span"], text)
        for mark in (_BOLD, _ITALIC, _STRUCK):
            bare = mark.sub(r"\1", bare)
        return _entities(_TAG.sub(self._named, bare))

    def _code(self, match: "re.Match[str]") -> str:
        inner = _entities(_TAG.sub(self._named, match["block"] or match["span"]))
        if match["block"] is None:
            return f"`{inner}`"
        block = inner.strip("\n")
        return f"\n```\n{block}\n```\n"

    def _prose(self, text: str) -> str:
        marked = _BOLD.sub(r"**\1**", text)
        marked = _ITALIC.sub(r"*\1*", marked)
        marked = _STRUCK.sub(r"~~\1~~", marked)
        marked = _BULLET.sub(r"\1- ", marked)
        marked = _HEADING.sub(r"\1\\\2", marked)
        return _entities(_TAG.sub(self._linked, marked))

    def _linked(self, match: "re.Match[str]") -> str:
        target, label = match["target"], match["label"]
        is_link = re.match(r"(?i)(https?|ftp|mailto|tel):", target)
        shown = (target, target.partition("//")[2], target.partition(":")[2])
        if is_link and label and label not in shown:
            return f"[{label}]({target})"
        return self._named(match)

    def _named(self, match: "re.Match[str]") -> str:
        target, label = match["target"], match["label"]
        kind, name = target[0], target[1:]
        if kind == "@":
            return f"@{self._people.get(name) or label or name}"
        if kind == "#":
            return f"#{label or self._channels.get(name) or name}"
        if kind == "!":
            return label or f"@{name.partition('^')[0]}"
        return label or target.removeprefix("mailto:")
