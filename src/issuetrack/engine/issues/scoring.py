"""How much a text looks like the accepted fix: features, their weights, one score.

The score is a conditional logit with an outside option (McFadden 1974): the exponential
of the weighted features, divided by the sum over all texts of the issue and 1 for "none
of them". The weights were set by hand and then moved by `bench/mining/fit.py` towards
the labels of its tuning issues; what those do not show (labels like "Root cause:", who
closed, reopening) keeps the weight that it was given. The more texts an issue has, the
less sure the best of them is, so its share is divided by a small power of their number.
"""

import math
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from issuetrack.engine.issues.candidates import (
    Channel,
    Course,
    Remark,
    Said,
    is_robot,
    read,
    said,
    unquoted,
)
from issuetrack.engine.issues.cues import WORD, Cue, count, telling

CLOSING = timedelta(hours=1)
AFTERWARDS = timedelta(days=1)
LEAST_NEWS, HEAD_OF_BULK, MOST_WORTH, BRIEF = 3, 300, 30.0, 40
MOST_OF_REFERRAL, MOST_NEWS, CROWD = 30, 4.0, 0.25
_ABANDONED = re.compile(
    r"(?i)\blegacy issues?\b|\bstale\b|\binactiv|\bno (?:recent )?activity\b|"
    r"\bend of life\b|\bclean(?:ing)? up (?:of )?old\b|\bno response\b"
)
_SETTLED_WORDS = frozenset(
    {
        *("fixed", "resolved", "solved", "addressed", "done", "implemented", "handled"),
        *("available", "possible", "superseded", "obsolete", "obsoleted", "covered"),
        *("duplicate", "duplicated", "duplicates", "dup", "dupe", "updated", "removed"),
        "added",
    }
)
_SETTLED = re.compile(
    r"\b(?:fixed|resolved|solved|addressed|done|implemented|handled|"
    r"available|possible|superseded|obsoleted?|covered|duplicate[ds]?|dupe?|updated|"
    r"removed|added)\b[^.\n]{0,40}?\b(?:in|by|of|with|as|to|via)\b"
)
_ADDRESS = re.compile(r"https?://\S{1,500}|\]\([^)\s]{0,500}\)|<[^>\s]{1,300}>")
_CODE = re.compile(r"```|\{code|\{noformat|`[^`\n]{4,200}`|(?m:^\s{0,20}[$#>] \S)")
_NAME = re.compile(r"\w[._/:-]\w|[a-z][A-Z]|^[A-Z][A-Z_]{3}|^--?[a-z]|_")
_FENCE = re.compile(r"```[^\n]*|\{(?:code|noformat)[^}\n]{0,60}\}")
_LABEL_WORDS = frozenset(
    {
        *("fix", "fixed", "resolution", "solution", "workaround", "cause", "steps"),
        *("remedy", "ursache", "lösung", "gelöst", "behoben"),
    }
)
_LABEL = re.compile(
    r"(?m)\b(?:fix|fixed|resolution|solution|workaround|cause|ursache|lösung|gelöst|"
    r"behoben)\**:|"
    r"^[^\w\n]*(?:root cause|fix|resolution|solution|workaround|steps|remedy|lösung|"
    r"ursache)[^\w\n]*$"
)
_KEY = re.compile(r"\b[a-z][a-z0-9]{1,9}-\d+\b|#\d+\b")
_OTHER = re.compile(r"\b[A-Z][A-Z0-9]{1,9}-\d+\b|(?<!\w)#\d{2,}\b")
_REVISION = re.compile(r"(?i)\brev(?:ision)?\b|\br\d{4,}\b")
_ELSEWHERE = frozenset(
    {
        *("superseded", "superceded", "supersedes", "supercedes", "fixed", "fixes"),
        *("resolved", "solved", "duplicate", "duplicates", "duplicated", "dup", "dupe"),
        *("same", "identical", "committed", "covered", "addressed", "handled", "done"),
        *("implemented", "already", "subsumed", "obsolete", "obsoleted", "duplikat"),
    }
)
_OPENING = re.compile(
    r"(?i)\W*(?:\+1|-1|thanks|thank you|thx|lgtm|looks good|committed|danke)"
)

WEIGHTS = {
    "base": -4.14,
    "done": 0.16,
    "now": 0.29,
    "remedy": 1.51,
    "fix": 0.71,
    "works": 0.37,
    "label": 1.20,
    "settled": 0.63,
    "pointer": 1.13,
    "names": 0.37,
    "code": 0.79,
    "plan": -0.48,
    "question": -1.16,
    "asks": -0.89,
    "opening": -0.55,
    "dead_end": -1.93,
    "failed": -1.00,
    "verdict": 0.72,
    "bulk": -2.49,
    "news": 1.18,
    "bare": -1.19,
    "commit": 0.37,
    "pull_request": 0.77,
    "first": 0.59,
    "referral": 2.14,
    "abandoned": -1.45,
    "contradicted": -0.89,
    "referred": -0.98,
    "last": 0.26,
    "superseded": -1.48,
    "assignee": 0.38,
    "resolver": 0.50,
    "reporter": -0.34,
    "closing": 0.59,
    "afterwards": -0.50,
    "undone": -6.00,
    "robot": -4.00,
}


@dataclass(frozen=True)
class Scene:
    """Where in an issue a text stands.

    Attributes:
        assignee: who worked on the issue.
        reporter: who told of it.
        course: when it was finished.
        first: nothing was said before it.
        last: nothing is said after it but reports and notices.
        late: at most one text that may tell the fix comes after it.
        abandoned: it was closed because nobody worked on it.
        contradicted: somebody says later that it did not help.
        referred: a later text says under which other key the fix is.
        superseded: a later text tells a cause or a remedy in so many words.
    """

    assignee: str | None = None
    reporter: str | None = None
    course: Course = field(default_factory=Course)
    first: bool = False
    last: bool = False
    late: bool = False
    abandoned: bool = False
    contradicted: bool = False
    referred: bool = False
    superseded: bool = False


@dataclass(frozen=True)
class Feature:
    """One thing that spoke for or against a text: weight times value."""

    name: str
    value: float
    weight: float


def _grown(number: int) -> float:
    """Return 0, 1, 1.6, 2 and at most 3 for a count."""
    return min(math.log2(1 + number), 3.0)


def features(
    found: Said, title: Set[str] = frozenset(), key: str | None = None
) -> dict[str, float]:
    """Return the values of what a text itself shows.

    Args:
        found: the text.
        title: the telling words of the issue's title.
        key: what the tracker calls the issue.
    """
    whole = read(found.text)
    text = unquoted(whole)
    if len(text) < len(whole) // 4:
        text = whole
    prose = _ADDRESS.sub(" ", " ".join(_FENCE.split(text)[::2]))
    low = prose.lower()
    words = WORD.findall(low)
    is_code = _CODE.search(text) is not None
    shown = _of_words(words, low, title, is_code=is_code)
    shown["label"] = 0.0
    if not _LABEL_WORDS.isdisjoint(words):
        shown["label"] = min(len(_LABEL.findall(low)), 2)
    shown["refers"] = float(_refers(prose, words, key))
    return shown | _of_form(prose) | _of_channel(found)


def _refers(prose: str, words: list[str], key: str | None) -> bool:
    """Tell whether a short text says that another issue has the fix."""
    if len(words) > MOST_OF_REFERRAL or _ELSEWHERE.isdisjoint(words):
        return False
    if "?" in prose or _REVISION.search(prose):
        return False
    return any(other != key for other in _OTHER.findall(prose))


def _of_words(
    words: list[str], low: str, title: Set[str], *, is_code: bool
) -> dict[str, float]:
    cues = count(words)
    news = len(telling(words) - title)
    pointer = cues[Cue.POINTER] > 0 and _KEY.search(low) is not None
    settled = not (cues[Cue.PLAN] or _SETTLED_WORDS.isdisjoint(words))
    return {
        "base": 1.0,
        "done": _grown(cues[Cue.DONE]),
        "now": _grown(cues[Cue.NOW]),
        "remedy": min(cues[Cue.REMEDY], 2),
        "fix": min(cues[Cue.FIX], 2),
        "works": min(cues[Cue.WORKS], 1),
        "code": float(is_code),
        "pointer": float(pointer),
        "settled": float(settled and _SETTLED.search(low) is not None),
        "plan": _grown(cues[Cue.PLAN]),
        "dead_end": min(cues[Cue.DEAD_END], 2),
        "failed": float(cues[Cue.DEAD_END] > 0 and len(words) <= BRIEF),
        "verdict": min(cues[Cue.VERDICT], 1),
        "bulk": min(cues[Cue.BULK], 1),
        "news": min(math.log2(1 + news), MOST_NEWS),
        "bare": float(news < LEAST_NEWS and not (pointer or is_code)),
    }


def _of_form(prose: str) -> dict[str, float]:
    return {
        "names": _grown(_names(prose)),
        "question": float(prose.rstrip().endswith("?")),
        "asks": _grown(prose.count("?")),
        "opening": float(_OPENING.match(prose) is not None),
    }


def _names(prose: str) -> int:
    """Return how many words look like names of files, settings, options or code."""
    return sum(
        _NAME.search(word) is not None
        for word in prose.split()
        if not word.isalpha() or not (word.islower() or word.istitle())
    )


def _of_channel(found: Said) -> dict[str, float]:
    return {
        "commit": float(found.channel is Channel.COMMIT),
        "pull_request": float(found.channel is Channel.PULL_REQUEST),
        "robot": float(found.channel is Channel.REPORT or is_robot(found.author)),
    }


def in_scene(
    found: Said, shown: dict[str, float], at: datetime | None, scene: Scene
) -> dict[str, float]:
    """Return the values of a text with those of where in its issue it stands.

    Args:
        found: the text.
        shown: the values of what it shows itself.
        at: when it was said.
        scene: where it stands.
    """
    who, course = found.author, scene.course
    values = shown | {
        "first": float(scene.first),
        "abandoned": float(scene.abandoned),
        "contradicted": float(scene.contradicted),
        "referred": float(scene.referred),
        "last": float(scene.last),
        "superseded": float(scene.superseded),
    }
    values["referral"] = values.pop("refers") * scene.late
    if who is not None:
        values["assignee"] = float(who == scene.assignee)
        values["resolver"] = float(who == course.resolver)
        values["reporter"] = float(who == scene.reporter)
    if at is not None and course.reopened_at is not None:
        values["undone"] = float(at < course.reopened_at)
    if at is not None and course.finished_at is not None:
        near = abs(at - course.finished_at) <= CLOSING
        values["closing"] = float(near and not shown["bare"])
        values["afterwards"] = float(at > course.finished_at + AFTERWARDS)
    return values


def is_abandoned(text: str) -> bool:
    """Tell whether a text closes an issue because nobody worked on it."""
    return _ABANDONED.search(text[:HEAD_OF_BULK]) is not None


def weighed(values: Mapping[str, float]) -> tuple[Feature, ...]:
    """Return what is not zero with its weight, the heaviest first."""
    found = (Feature(name, v, WEIGHTS[name]) for name, v in values.items() if v)
    return tuple(sorted(found, key=lambda f: -abs(f.value * f.weight)))


def worth(values: dict[str, float]) -> float:
    """Return the weighted sum of the features of a text; 0 is worth as much as none."""
    return sum(WEIGHTS[name] * value for name, value in values.items())


def shares(worths: Sequence[float]) -> list[float]:
    """Return 0..1 for each text: how likely it is the fix, and not another or none."""
    grown = [math.exp(min(worth, MOST_WORTH)) for worth in worths]
    whole = (1.0 + sum(grown)) * len(grown) ** CROWD if grown else 1.0
    return [one / whole for one in grown]


def of_remark(remark: Remark, assignee: str | None) -> float:
    """Return 0..1 for a comment alone, whatever was said around it."""
    found = said(remark)
    if found.channel is Channel.REPORT:
        return 0.0
    values = in_scene(found, features(found), None, Scene(assignee))
    return shares([worth(values)])[0]
