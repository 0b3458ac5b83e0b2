"""Words that verification knows: those that say little, turn a sentence, or ask.

English, and the commonest of German, French, Spanish, Portuguese, Italian and Russian.
"""

import re


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


EMPTY = _set(
    """
    a an the this that these those it its itself is are was were be been being am has
    have had do does did done we i you they he she our my your their us them there here
    which who and then also so just please of for as now first firstly finally next
    later afterwards simply
    der die das den dem des ein eine einen einem einer und ist sind war wurde wurden wir
    es dann la les un une du et est el los las y lo gli o os
    """
)
TURNS = _set(
    """
    not no never none nothing without nor neither avoid instead rather unless except
    only if until before might may could would should must maybe perhaps probably likely
    off down out up forbidden worse mistake wrong hardly fail fails failed or
    nicht kein keine keinen nie niemals ohne statt nur wenn falls bevor außer verboten
    vielleicht pas jamais sans sauf si ne nunca sin jamás solo não sem mai non senza
    не без никогда нет только если
    """
)
PLACING = _set("from to by on off in into onto at with over under via")
ASKING = _set(
    """
    what which when where who whose how why does any same see saw seen happen happens
    happened start started since change changed shortly before after version log logs
    error message host service affected else other still also often many long look like
    to in on at with from case issue problem ticket can else
    """
)
TAKES_AWAY = re.compile(
    r"(?i)\b(delet|drop|remov|truncat|kill|purg|wip|format|overwrit|forc|stop|shut|"
    r"revok|disabl|detach|reset|terminat|roll|revert|destroy|eras|clear|clean|flush|"
    r"reboot|evict|drain|unmount|disconnect|uninstall|deny|block|rm\b|lösch|entfern|"
    r"supprim|elimin|borr|apag|удал)"
)
HARM = re.compile(r"(?i)\b(made (it|things) worse|by mistake|forbidden|verboten)\b")
UNIT = re.compile(
    r"(?i)(?:[kmgtp]i?b?|bytes?|bits?|ms|µs|us|ns|s|secs?|seconds?|min|mins|minutes?|"
    r"h|hrs?|hours?|d|days?|weeks?|months?|years?|%|percent|[kmg]?hz|cores?|cpus?|m|"
    r"rps|qps|replicas?|times|connections?|threads?|workers?|pods?|nodes?|retries|"
    r"[kmgt]i?b/s|sekunden|minuten|stunden|tage)"
)
SECRETS = re.compile(
    r"(?i)pass ?(word|phrase|wort|code)|secret|token|credential|private key|api.?key|"
    r"\bpin\b|login|contraseña|mot de passe|senha|пароль|密码|パスワード"
)
