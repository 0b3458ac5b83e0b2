"""Whether what a model says is what the cited spans say.

The words of a statement must stand in one of the cited sentences, in its order and from
the start of a clause on; only words that carry no meaning of their own may be added.
Numbers with their units, names and hosts are compared letter by letter. Words that turn
or limit a sentence (not, only, unless, off) must be as many as there, and a sentence
that takes something away is kept whole. A command must be a stored one, whole.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from issuetrack.engine.assistant.grounding import may_be_done
from issuetrack.engine.assistant.prompts import Exhibit, harmless
from issuetrack.engine.assistant.wording import (
    ASKING,
    EMPTY,
    HARM,
    PLACING,
    SECRETS,
    TAKES_AWAY,
    TURNS,
    UNIT,
)

STRAYS = "it has words that are not in the evidence"
LEAST_WORDS = 2
LEAST_STEM = 3
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)*")
_NUMBER_WITH_UNIT = re.compile(r"([-+]?\d+(?:[.,]\d+)*)([^\W\d_]+(?:/s)?|%)")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_CLAUSE = re.compile(
    r"[,;:]\s+|\s+[-\u2013\u2014]+\s+|[()]|\s+(?=(?:and|then|but|und)\b)"
)
_EDGE = "\"'`.,;:!?()[]{}<>*\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u2026"
_MARKED = re.compile(r"[\d_./\\:@=+#$~|%&^<>{}\-]|[^\W\d_][A-Z]|[A-Z]{2}")
_NOT = re.compile(
    r"(?i)\b(do|does|did|is|are|was|were|should|could|would|must|has|have)n't\b"
)
_SUFFIX = re.compile(r"(?:ing|ed|es|s|e)$")
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Verdict:
    """Whether a statement is borne out.

    Attributes:
        reason: why it is not; None if it is.
        exhibits: what it cites, as far as that was offered.
        command: the stored command that it names.
    """

    reason: str | None
    exhibits: tuple[Exhibit, ...] = ()
    command: str | None = None


@dataclass(frozen=True)
class _Word:
    """A word as it is compared; `before` is the preposition or article it follows."""

    form: str
    marked: bool
    before: str


def _plain(raw: str) -> str:
    text = harmless(raw).replace("\u2019", "'")
    text = re.sub(r"(?i)\bcan(?:not|'t)\b", "can not", text)
    text = re.sub(r"(?i)\bwon't\b", "will not", text)
    return re.sub(r"'s\b", "", _NOT.sub(r"\1 not", text))


def _stem(word: str) -> str:
    """Return a word without the endings of time and number."""
    lower = word.casefold()
    cut = _SUFFIX.sub("", lower)
    if len(cut) < LEAST_STEM:
        return lower
    return cut[:-1] if len(cut) > LEAST_STEM and cut[-1] == cut[-2] else cut


def _tokens(text: str) -> Iterator[str]:
    """Yield the words of a text, a number together with its unit."""
    pending = ""
    for raw in text.split():
        token = raw.strip(_EDGE) or (raw if raw in ("/", "*", "--") else "")
        attached = _NUMBER_WITH_UNIT.fullmatch(token)
        if attached and UNIT.fullmatch(attached[2]):
            token = f"{attached[1]} {attached[2]}"
        if pending and UNIT.fullmatch(token):
            yield f"{pending} {token}"
            pending = ""
            continue
        if pending:
            yield pending
        pending = token if _NUMBER.fullmatch(token) else ""
        if token and not pending:
            yield token
    if pending:
        yield pending


def _words(text: str) -> list[_Word]:
    found, before = [], ""
    for token in _tokens(text):
        lower = token.casefold()
        if lower in EMPTY:
            continue
        marked = bool(_MARKED.search(token))
        placed = before if marked and before in PLACING else ""
        form = token if marked else lower if lower in TURNS else _stem(token)
        found.append(_Word(form, marked, placed))
        before = lower
    return found


@dataclass(frozen=True)
class _Sentence:
    """A sentence as its clauses, each as its words."""

    text: str
    clauses: tuple[tuple[_Word, ...], ...]

    @property
    def words(self) -> list[_Word]:
        return [word for clause in self.clauses for word in clause]

    @property
    def turns(self) -> Counter[str]:
        return Counter(w.form for w in self.words if w.form in TURNS)


def _sentences(text: str) -> list[_Sentence]:
    found = []
    for part in _SENTENCE.split(text):
        plain = _plain(part)
        clauses = (tuple(_words(clause)) for clause in _CLAUSE.split(plain) if clause)
        kept = tuple(clause for clause in clauses if clause)
        if kept:
            found.append(_Sentence(plain, kept))
    return found


def content_words(text: str) -> set[str]:
    """Return the words of a text that carry meaning, as they are compared."""
    return {w.form for sentence in _sentences(text) for w in sentence.words}


def _stands_in(said: Sequence[_Word], told: Sequence[_Word]) -> bool:
    """Tell whether words stand in a clause in their order, from its first one on."""
    if said[0].form != told[0].form:
        return False
    place = 0
    for word in said:
        while place < len(told) and not _same(word, told[place]):
            place += 1
        if place == len(told):
            return False
        place += 1
    return True


def _same(word: _Word, other: _Word) -> bool:
    placed = not word.before or word.before == other.before
    return word.form == other.form and placed


def _equal(said: Sequence[_Word], told: Sequence[_Word]) -> bool:
    pairs = zip(said, told, strict=False)
    return len(said) == len(told) and all(_same(*pair) for pair in pairs)


def _found(
    said: Sequence[_Sentence], told: Sequence[_Sentence]
) -> list[_Sentence] | None:
    """Return the sentences that hold all that is said, in order; None if none do."""
    words = [word for sentence in said for word in sentence.words]
    for sentence in told:
        if _equal(words, sentence.words):
            return [sentence]
    places = [(s, c) for s, sentence in enumerate(told) for c in sentence.clauses]
    used: list[int] = []
    start = 0
    for clause in (c for sentence in said for c in sentence.clauses):
        following = range(start, len(places))
        place = next((p for p in following if _stands_in(clause, places[p][1])), None)
        if place is None:
            return None
        used.append(places[place][0])
        start = place + 1
    return [told[s] for s in dict.fromkeys(used)]


def _has_strays(said: Sequence[_Sentence], told: Sequence[_Sentence]) -> bool:
    """Tell whether a statement has words that the cited spans do not hold."""
    known = {word.form for sentence in told for word in sentence.words}
    return any(word.form not in known for s in said for word in s.words)


def check_text(text: str, cited: Iterable[str]) -> str | None:
    """Return why a statement is not what the cited texts say; None if it is."""
    said = _sentences(text)
    told = [sentence for words in cited for sentence in _sentences(words)]
    if sum(len(sentence.words) for sentence in said) < LEAST_WORDS:
        return "it says nothing"
    if _has_strays(said, told):
        return STRAYS
    found = _found(said, told)
    if found is None:
        return "its words stand in the evidence in another order or connection"
    if sum((s.turns for s in said), Counter()) != sum(
        (s.turns for s in found), Counter()
    ):
        return "it leaves out or adds a word such as not, only or if"
    kept = Counter(word.form for sentence in said for word in sentence.words)
    for sentence in found:
        whole = Counter(word.form for word in sentence.words)
        if TAKES_AWAY.search(sentence.text) and whole - kept:
            return "it leaves out a part of a sentence that takes something away"
    return None


def _cuts_code(text: str, codes: Iterable[str]) -> bool:
    """Tell whether a statement gives the start of a stored command, but not all."""
    said = _plain(text)
    for code in map(_plain, codes):
        start = " ".join(code.split()[:2])
        if " " in start and start in said and code not in said:
            return True
    return False


def _codes(exhibit: Exhibit) -> Iterator[str]:
    yield from _CODE.findall(exhibit.text)
    if exhibit.command:
        yield exhibit.command


def same_command(said: str, stored: str) -> bool:
    """Tell whether a command is a stored one, but for white space."""
    return harmless(said) == harmless(stored)


def verify(
    text: str,
    evidence: Sequence[str],
    command: str | None,
    offered: Sequence[Exhibit],
) -> Verdict:
    """Return whether a statement and its command are borne out by what it cites.

    Args:
        text: the statement.
        evidence: the ids that it cites.
        command: the command that it says to run; None without.
        offered: what may be cited for statements of its kind.
    """
    by_id = {exhibit.id: exhibit for exhibit in offered}
    strange = [name for name in evidence if name not in by_id]
    if strange or not evidence:
        return Verdict("it cites nothing that was offered for it")
    cited = tuple(by_id[name] for name in dict.fromkeys(evidence))
    stored = [e.command for e in cited if e.command]
    if command is not None and not any(same_command(command, s) for s in stored):
        return Verdict("its command is not one of the cited spans", cited)
    if any(HARM.search(e.text) or not may_be_done(e.text) for e in cited):
        return Verdict("what it cites is told as no help, or harm", cited)
    if len(stored) > 1:
        return Verdict("it joins several commands in one step", cited)
    if _cuts_code(text, [code for exhibit in cited for code in _codes(exhibit)]):
        return Verdict("it gives a part of a command", cited)
    reason = check_text(text, [exhibit.words for exhibit in cited])
    return Verdict(reason, cited, stored[0] if stored and not reason else None)


def check_question(text: str, known: Iterable[str]) -> str | None:
    """Return why a question of the model may not be asked; None if it may."""
    if not text.rstrip().endswith("?") or len(_SENTENCE.split(text.strip())) > 1:
        return "it is no single question"
    if SECRETS.search(text):
        return "it asks for a secret"
    told = {word for words in known for word in content_words(words)}
    strays = content_words(text) - told - {_stem(w) for w in ASKING} - ASKING
    return STRAYS if strays else None
