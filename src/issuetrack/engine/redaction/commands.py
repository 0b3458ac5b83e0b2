"""Passwords on command lines, where an option and not a name tells them."""

import re
from collections.abc import Iterator

from issuetrack.engine.redaction.named import is_placeholder
from issuetrack.engine.redaction.spans import Kind, Searched, Span, occurrences

BARE = r"""["']?(?P<v>[^\s"'|;]{1,256})"""
PAIR = r"""["']?[^\s:"'=/]{1,128}:(?P<v>[^\s"']{1,256})"""
PERCENT = r"""["']?[^\s%"']{1,128}%(?P<v>[^\s"']{1,256})"""

GLUED_P = rf"\s-p(?![ =]){BARE}"
SPACED_P = rf"\s(?:-p|--password)[ =]{BARE}"
ANY_P = rf"\s-p[ =]?{BARE}"
CAPITAL_P = rf"\s-P[ ]?{BARE}"
OPTIONS: dict[str, tuple[str, ...]] = {
    "mysql": (GLUED_P,),
    "mariadb": (GLUED_P,),
    "curl": (rf"\s(?:-u|-U|--user|--proxy-user)[ =]?{PAIR}",),
    "wget": (rf"\s--(?:http-|ftp-)?password[ =]{BARE}",),
    "docker": (SPACED_P,),
    "podman": (SPACED_P,),
    "helm": (SPACED_P,),
    "az login": (SPACED_P,),
    "oc login": (SPACED_P,),
    "sshpass": (ANY_P,),
    "7z": (GLUED_P,),
    "zip": (CAPITAL_P,),
    "mongo": (SPACED_P,),
    "redis-cli": (rf"\s-a[ ]{BARE}",),
    "ldap": (rf"\s-w[ ]{BARE}",),
    "sqlcmd": (CAPITAL_P,),
    "ipmitool": (CAPITAL_P,),
    "psexec": (SPACED_P,),
    "smbclient": (rf"\s(?:-U|--user)[ =]?{PERCENT}",),
    "rpcclient": (rf"\s(?:-U|--user)[ =]?{PERCENT}",),
    "mount": (rf"[,\s](?:pass|password)={BARE}",),
    "snmp": (rf"\s-[cAX][ ]{BARE}", rf"\scommunity[ ]{BARE}"),
    "xfreerdp": (rf"\s/p:{BARE}",),
    "net use": (rf"\s(?:\\\\|//)\S{{1,128}}[ ](?!/){BARE}",),
    "net user": (rf"user[ ]\S{{1,64}}[ ](?![/*]){BARE}",),
    "rabbitmqctl": (rf"\s(?:add_user|change_password)[ ]\S{{1,64}}[ ]{BARE}",),
    "htpasswd": (rf"\s-\w*b\w*[ ]\S{{1,128}}[ ]\S{{1,64}}[ ]{BARE}",),
    "sqlplus": (r"\s[^\s/]{1,64}/(?P<v>[^\s@/\"']{1,128})@",),
    "openssl": (rf"pass:{BARE}",),
    "chpasswd": (rf"echo[ ](?:-n[ ])?{PAIR}",),
    "sudo -s": (rf"echo[ ](?:-n[ ])?{BARE}",),
    "password-stdin": (rf"echo[ ](?:-n[ ])?{BARE}",),
    "identified by": (r"""identified by ["'](?P<v>[^"'\n]{1,128})""",),
}
PIPED = frozenset({"chpasswd", "sudo -s", "password-stdin"})
LINE = 2000
HEAD = 200


def commands(text: Searched) -> Iterator[Span]:
    """Yield the passwords that programs take as options, a line at a time."""
    for command, sources in OPTIONS.items():
        last = -1
        if not text.has(command.rpartition(" ")[2]):
            continue
        for place in occurrences(text.low, command):
            if place >= last and _is_command(text, place):
                start, last = _segment(text, place, command)
                yield from _on_line(text, sources, start, last)


def _is_command(text: Searched, place: int) -> bool:
    return not text.low[max(0, place - 1) : place].isalpha()


def _segment(text: Searched, place: int, command: str) -> tuple[int, int]:
    """Return what belongs to a command: its line, and what was piped into it."""
    end = text.low.find("\n", place, place + LINE)
    end = end if end >= 0 else min(len(text.low), place + LINE)
    if command in PIPED:
        first = max(0, place - HEAD)
        return max(first, text.low.rfind("\n", first, place) + 1), end
    return place, end


def _on_line(
    text: Searched, sources: tuple[str, ...], start: int, end: int
) -> Iterator[Span]:
    for source in sources:
        flags = re.IGNORECASE if "identified" in source else 0
        for match in re.compile(source, flags).finditer(text.whole, start, end):
            value = match["v"]
            mapping = ":" in value and re.fullmatch(r"[\d.:]+(?:/tcp|/udp)?", value)
            if not is_placeholder(value) and not value.startswith("-") and not mapping:
                yield Span(*match.span("v"), Kind.PASSWORD)


RULES = (commands,)
