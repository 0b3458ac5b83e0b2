"""Evidence: the sentences and steps of a stored text, each what it is and verbatim.

A text is read as Markdown. Headings and labels such as `Root cause:` say what follows;
where there are none, the wording of each sentence decides. A code block belongs to
the sentence or list item it stands under.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from markdown_it import MarkdownIt
from markdown_it.token import Token


class Section(StrEnum):
    """What a span tells."""

    CAUSE = "cause"
    STEP = "step"
    VALIDATION = "validation"
    ROLLBACK = "rollback"
    OTHER = "other"


@dataclass(frozen=True)
class Span:
    """A sentence, list item or command of a text.

    Attributes:
        text: verbatim, without the marks of lists and labels.
        command: the code under it or in it, verbatim; None without.
        section: what it tells.
        heading: the heading above it; two spans of the same words are the same.
    """

    text: str
    command: str | None
    section: Section
    heading: str | None = field(default=None, compare=False)

    @property
    def quote(self) -> str:
        """Return the text, and under it the command where it is apart."""
        if self.command is None or self.command in self.text:
            return self.text
        if self.text in self.command:
            return self.command
        return f"{self.text}\n{self.command}".strip()


_LABELS = {
    Section.CAUSE: r"root[ -]?cause|cause|reason|ursache|analysis|diagnosis",
    Section.VALIDATION: r"verified|verification|validation|validated|checked|"
    r"how to verify|test(?:ed)?|proof|geprüft",
    Section.ROLLBACK: r"roll ?back(?: of [^:*]{1,40})?|back ?out|undo|way back|revert",
    Section.STEP: r"fix|fixed by|fix applied|permanent fix(?: \([^)]*\))?|resolution|"
    r"solution|solved|steps?|steps in order|workaround|remedy|mitigation|"
    r"immediate (?:relief|fix|action)|what (?:helped|we did|i did)|procedure|"
    r"action(?:s)?|lösung|behoben",
    Section.OTHER: r"prevention|note|notes|timeline|background|follow[ -]?up|"
    r"lesson(?:s)?(?: learned)?|symptom(?:s)?|impact|result|problem|details",
}
_LABEL = re.compile(
    r"(?i)^\W{0,4}(?:"
    + "|".join(f"(?P<{section.name}>{words})" for section, words in _LABELS.items())
    + r")\b(?P<end>[^\w\n]{0,4}(?::|\*\*|$)[^\w`\"'(/$]*)"
)
_HEADING = re.compile(
    r"(?i)\b(?:"
    + "|".join(f"(?P<{section.name}>{words})" for section, words in _LABELS.items())
    + r")\b"
)
_CAUSE = re.compile(
    r"(?i)\b(root cause|caused by|because|due to|turned out|the reason|the problem "
    r"was|the issue was|expired|exceeded|leak(ed|ing)?|misconfigured|was (full|wrong|"
    r"missing|still)|wegen|ursache)\b"
)
_VALIDATION = re.compile(
    r"(?i)\b(verified|validated|confirmed|checked|verify|validate|confirm|"
    r"(is|are|was|were) (ok|green|healthy|back|empty|stable|live)|works? again|"
    r"no (more|new|further) (errors?|alerts?)|since then|stable for)\b"
)
_CHECKING = re.compile(r"(?i)^\W*(verif|validat|confirm|check)")
_ROLLBACK = re.compile(
    r"(?i)\b(to (undo|roll back|revert|go back)|roll(ed|ing)? ?back (with|by|is|if)|"
    r"way back|if it (goes wrong|fails)|rollback)\b"
)
_ACTION = re.compile(
    r"(?i)^\W*(?:then |now |first(?:ly)?,? |finally,? |after that,? |and |we |i )?"
    r"(?:restart|start|stop|set|add|remove|delet|increas|decreas|chang|renew|replac|"
    r"reset|run|ran|clear|clean|enabl|disabl|updat|upgrad|downgrad|install|mov|copi|"
    r"copy|creat|configur|correct|extend|extended|export|import|fix|free|grant|kill|"
    r"purg|rais|reboot|rebuil|recreat|reload|renam|resiz|restor|rotat|switch|sync|"
    r"terminat|truncat|trust|unlock|vacuum|appl|drain|cordon|uncordon|scal|expir|"
    r"limit|lower|mount|unmount|open|close|put|pin|point|flush|drop|register|check|"
    r"look|find|compare|go|back to|end|keep|swap|use|turn|revert|roll|patch|push|"
    r"redeploy|deploy|delete|issue|sign|re-?(?:creat|issu|join|queu|add|run|connect|index))\w*\b"
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[\"'(*`$]*[A-Z0-9`])")
_CODE = re.compile(r"`([^`\n]+)`")
_WIKI_CODE = re.compile(
    r"\{(code|noformat)(?:[:|][^}\n]*)?\}\n?(.*?)\n?\{\1\}", re.DOTALL
)
_WIKI_HEADING = re.compile(r"(?m)^h([1-6])\.[ \t]+")
_COMMAND_LINE = re.compile(
    r"^(?:[$#>] )?(?:sudo |PS> )?(?:"
    r"(?:[A-Z_]+=\S* )*(?:[a-z][\w.+-]*|\./[\w./-]+|/[\w./-]+)(?: \S.*)?"
    r"|[A-Z][a-z]+-[A-Z]\w+.*"
    r"|(?:ALTER|SELECT|UPDATE|DELETE|INSERT|VACUUM|CREATE|DROP|REINDEX|SHOW|SET|KILL|"
    r"GRANT|REVOKE|TRUNCATE|ANALYZE|CALL|EXEC|DBCC|CHECKPOINT|CONFIG|FLUSHALL|BEGIN|"
    r"COMMIT|ROLLBACK|START|STOP|RESET|PURGE|WITH|EXPLAIN|OPTIMIZE|LOCK|USE)\b.*"
    r"|\(?Get-\w+.*|\[[\w.]+\]::.*|[A-Z]:\\.*)$"
)
_CODE_COMMENT = re.compile(r"^(--|#!|//|REM\b)")
_LOG_LINE = re.compile(
    r"(?i)^(\d{4}-\d\d|\d\d:\d\d:\d\d|\[?\d{4}|\S+ (ERROR|WARN|FATAL|INFO)\b|error:|"
    r"fatal:|warning:|exception|traceback|caused by|at [\w.$]+\(|name:|status:)"
)
_TOOL = re.compile(
    r"^(?:[$#>] )?(?:sudo |PS> )?(?:[A-Z_]+=\S* )*(?:\./|/|[A-Z]:\\|kube\w+|docker|podman|"
    r"crictl|helm|git|npm|pip|apt(?:-get)?|yum|dnf|rpm|dpkg|snap|systemctl|service|"
    r"journalctl|reboot|shutdown|ps|kill|pkill|killall|nice|psql|pg_\w+|mysql\w*|redis-cli|"
    r"mongo\w*|rabbitmq\w*|kafka\S+|celery|curl|wget|dig|nslookup|host|ping|traceroute|"
    r"ssh|scp|rsync|openssl|certbot|keytool|certutil|mount|umount|df|du|ls|lsof|fuser|rm|cp|"
    r"mv|ln|chmod|chown|truncate|find|grep|sed|awk|tail|head|cat|echo|export|source|"
    r"tar|gzip|dd|fsck|mkfs\S*|xfs_\w+|resize2fs|lv\w+|vg\w+|pv\w+|zpool|zfs|mdadm|"
    r"smartctl|iptables|nft|ip|ss|netstat|conntrack|sysctl|ethtool|nmcli|resolvectl|"
    r"chronyc|ntpq|w32tm|timedatectl|postfix|post\w+|nginx|apachectl|haproxy|net|sc|"
    r"gpupdate|klist|repadmin|dcdiag|nltest|ipconfig|netsh|sfc|taskkill|lp\w+|cancel|"
    r"cups\w+|vim-cmd|esxcli|restic|borg|python3?|java|make|terraform|ansible\S*|"
    r"exportfs|showmount|rpcinfo|ua-\w+|watch|crontab|at)(?:\s|$|[\w.-]*/)"
)
_RUNNABLE = re.compile(
    r"\s--?[A-Za-z]|;\s*$|&&|^[A-Z][a-z]+-[A-Z]|^[A-Z]{3,}\s+\S+\s+\S"
)
_TELLS_TO_RUN = re.compile(r"(?i)\b(run|ran|running|using|via|execut\w+)\s+$")
_WITH = re.compile(r"(?i)\bwith\s+$")
_NEGATED = re.compile(
    r"(?i)\b(do not|don'?t|never|did ?n[o']t|must not|mustn'?t|should not|shouldn'?t|"
    r"cannot|avoid|instead of|nicht|keinesfalls|niemals)\b|\b(no|kein\w*|not with|without) $"
)
_FORBIDDEN = re.compile(
    r"(?i)\b(never|forbidden|not allowed|(do|must|should|may|can) ?not|don'?t|nicht|"
    r"verboten|made it worse|by mistake)\b"
)
_DEAD_END = re.compile(
    r"(?i)\b(did ?n[o']t (help|work|fix|change)|no (effect|change|luck|difference)|"
    r"still (failing|broken|happen\w*|the same|occurs?|there|down)|"
    r"(could|can) ?n[o']t reproduce|unable to reproduce|cannot reproduce|"
    r"went away|by itself|closing for|inactivity|stale|any (update|news)|"
    r"without success|came back|same error)\b"
)
_ASIDE = re.compile(r"\([^)]*\)")
_FIXED_BY = re.compile(r"(?i)^\W*((fixed|solved|resolved) (it )?(by|with)|behoben)\b")
_MARKDOWN = MarkdownIt("commonmark")
LONGEST_ITEM = 400


def is_command(code: str) -> bool:
    """Tell whether a block of code looks like something to be run."""
    lines = (line.strip() for line in code.strip().splitlines())
    first = next((x for x in lines if x and not _CODE_COMMENT.match(x)), "")
    return not _LOG_LINE.match(first) and bool(_COMMAND_LINE.match(first))


def inline_command(text: str) -> str | None:
    """Return the first command between backticks in a sentence.

    What a sentence says not to do is none, and neither is a mere value or message.
    """
    for match in _CODE.finditer(text):
        code, start, end = match.group(1).strip(), match.start(), match.end()
        if " " not in code or not is_command(code) or code.endswith(":"):
            continue
        told = _TELLS_TO_RUN.search(text, 0, start) or (
            _WITH.search(text, 0, start) and _ACTION.match(text)
        )
        if told or _TOOL.match(code) or _RUNNABLE.search(code):
            before, after = text[:start], text[end:]
            refused = _NEGATED.search(before) or _FORBIDDEN.search(after)
            return None if refused else match.group(1)
    return None


def _speaks_against(text: str) -> bool:
    """Tell whether a sentence says of what follows that it was no help, or harm."""
    plain = _ASIDE.sub("", text)
    return bool(_FORBIDDEN.search(plain) or _DEAD_END.search(plain))


def may_be_done(text: str) -> bool:
    """Tell whether a sentence may be advice: no question, and not what did not help."""
    return not (text.rstrip().endswith("?") or _DEAD_END.search(_ASIDE.sub("", text)))


def _section_of_heading(text: str) -> Section:
    match = _HEADING.search(text)
    return Section[match.lastgroup] if match and match.lastgroup else Section.OTHER


def names_section(heading: str) -> bool:
    """Tell whether a heading says what follows it, such as Fix or Symptoms."""
    return _HEADING.search(heading) is not None


def _label(text: str) -> tuple[Section, str] | None:
    """Return what a leading label announces, and the text after it."""
    match = _LABEL.match(text)
    if match is None:
        return None
    section = next(s for s in Section if match[s.name] is not None)
    return section, text[match.end() :]


def _sentences(text: str) -> Iterator[str]:
    """Yield sentences; a full stop inside backticks ends none."""
    start, parts = 0, []
    for match in _SENTENCE.finditer(text):
        if text.count("`", start, match.start()) % 2 == 0:
            parts.append(text[start : match.start()])
            start = match.end()
    parts.append(text[start:])
    for part in parts:
        bold = re.split(r"\s+(?=\*\*[A-Z][^*]{2,40}(?::\*\*|\*\*:|\*\*))", part)
        yield from (piece.strip() for piece in bold if piece.strip())


def _classify(text: str, section: Section | None, *, in_list: bool) -> Section:
    if _DEAD_END.search(text) or text.rstrip().endswith("?"):
        return Section.OTHER
    if section is not None and section is not Section.STEP:
        return section
    if _ROLLBACK.search(text):
        return Section.ROLLBACK
    acts = bool(_ACTION.match(text)) or inline_command(text) is not None
    if section is Section.STEP:
        return Section.STEP if acts or in_list else Section.OTHER
    if _CAUSE.search(text):
        return Section.CAUSE
    if acts and inline_command(text) and not _CHECKING.match(text):
        return Section.STEP
    if _VALIDATION.search(text):
        return Section.VALIDATION
    return Section.STEP if acts else Section.OTHER


class _Reader:
    """Walks Markdown tokens and collects spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._section: Section | None = None
        self._heading: str | None = None
        self._depth = 0
        self._fresh_item = False
        self._attachable = False

    def read(self, tokens: list[Token]) -> None:
        in_heading = False
        for token in tokens:
            match token.type:
                case "heading_open":
                    in_heading = True
                case "heading_close":
                    in_heading = False
                case "list_item_open":
                    self._depth += 1
                    self._fresh_item = True
                case "list_item_close":
                    self._depth -= 1
                    self._attachable = False
                case "inline" if in_heading:
                    self._section = _section_of_heading(token.content)
                    self._heading = token.content
                    self._attachable = False
                case "inline":
                    self._paragraph(token.content)
                case "fence" | "code_block":
                    self._code(token.content.rstrip("\n"))

    def _paragraph(self, content: str) -> None:
        section = self._section
        first_of_item = self._fresh_item
        self._fresh_item = False
        whole_item = first_of_item and len(content) <= LONGEST_ITEM
        for sentence in [content] if whole_item else _sentences(content):
            labelled = _label(sentence)
            text = sentence
            if labelled is not None:
                section, text = labelled
                if not text.strip():
                    self._section = section
                    self._attachable = False
                    continue
                if self._depth == 0 and "\n" not in content and text.endswith(":"):
                    self._section = section
            elif _FIXED_BY.match(sentence):
                section = Section.STEP
            in_list = self._depth > 0 and first_of_item
            kind = _classify(text, section, in_list=in_list)
            first_of_item = False
            command = inline_command(text)
            self.spans.append(Span(text.strip(), command, kind, self._heading))
            self._attachable = True

    def _code(self, code: str) -> None:
        if not is_command(code):
            self._attachable = False
            return
        last = self.spans[-1] if self.spans else None
        if self._attachable and last is not None and _speaks_against(last.text):
            self._attachable = False
            return
        if (
            self._attachable
            and last is not None
            and (last.command is None or last.command in last.text)
        ):
            known = last.section
            if self._section in (Section.VALIDATION, Section.ROLLBACK):
                known = self._section
            elif known is Section.OTHER:
                known = Section.STEP
            self.spans[-1] = replace(last, command=code, section=known)
            return
        section = self._section
        if section not in (Section.VALIDATION, Section.ROLLBACK):
            section = Section.STEP
        first_line = code.strip().splitlines()[0].strip()
        self.spans.append(Span(first_line, code, section, self._heading))


def spans(text: str) -> list[Span]:
    """Return the spans of a Markdown text in order."""
    reader = _Reader()
    reader.read(_MARKDOWN.parse(_as_markdown(text)))
    return reader.spans


def _as_markdown(text: str) -> str:
    """Return a text with the code blocks and headings of Jira as those of Markdown."""
    fenced = _WIKI_CODE.sub(lambda m: f"\n```\n{m[2]}\n```\n", text)
    return _WIKI_HEADING.sub(lambda m: "#" * int(m[1]) + " ", fenced)


def _flat(text: str) -> str:
    return " ".join(text.split())


def is_grounded(text: str, command: str | None, quote: str) -> bool:
    """Tell whether a statement and its command are in the words it cites."""
    source = _flat(quote)
    return _flat(text) in source and (command is None or _flat(command) in source)
