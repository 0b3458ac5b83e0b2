"""Secrets known by their form: issued tokens, key blocks, headers, urls."""

import re
from collections.abc import Callable, Iterator

from issuetrack.engine.redaction.named import is_placeholder
from issuetrack.engine.redaction.spans import Kind, Searched, Span, matches

ALNUM, URLSAFE = "[A-Za-z0-9]", "[A-Za-z0-9_-]"
SHAPES: tuple[tuple[Kind, str, tuple[str, ...]], ...] = (
    (Kind.KEY, "[A-Z0-9]{16}", ("AKIA", "ASIA", "ABIA", "ACCA")),
    (Kind.TOKEN, ALNUM + "{30,}", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "npm_")),
    (Kind.TOKEN, "[A-Za-z0-9_]{36,}", ("github_pat_",)),
    (
        Kind.TOKEN,
        URLSAFE + "{16,}(?:[.]" + URLSAFE + "+)?",
        ("glpat-", "glptt-", "gldt-", "glrt-", "glcbt-", "glft-", "glsoat-", "pypi-"),
    ),
    (
        Kind.TOKEN,
        URLSAFE + "{16,}(?:[.]" + URLSAFE + "+)?",
        ("ya29.", "GOCSPX-", "hvs.", "hvb.", "hvr.", "glsa_", "dckr_pat_", "tskey-"),
    ),
    (
        Kind.TOKEN,
        URLSAFE + "{16,}(?:[.]" + URLSAFE + "+)?",
        ("ATATT3x", "lin_api_", "sntrys_", "pscale_tkn_", "HRKU-", "atlasv1.", "hf_"),
    ),
    (
        Kind.TOKEN,
        "[A-Za-z0-9-]{10,}",
        ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xoxe.", "xapp-"),
    ),
    (Kind.TOKEN, "[A-Z0-9]{6,}/[A-Z0-9]{6,}/" + ALNUM + "{16,}", ("services/",)),
    (Kind.TOKEN, "[0-9]{15,}/" + URLSAFE + "{30,}", ("/api/webhooks/",)),
    (
        Kind.KEY,
        "[A-Za-z0-9_]{10,}",
        ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "whsec_"),
    ),
    (Kind.KEY, URLSAFE + "{35,}", ("AIza",)),
    (Kind.KEY, URLSAFE + "{16,}[.]" + URLSAFE + "{16,}", ("SG.",)),
    (Kind.KEY, URLSAFE + "{20,}", ("sk-ant-", "sk-proj-", "xkeysib-", "PMAK-")),
    (Kind.KEY, ALNUM + "{32,}", ("sk-",)),
    (Kind.KEY, "[A-Z0-9]{50,}", ("AGE-SECRET-KEY-1",)),
    (Kind.KEY, "[0-9a-f]{32}(?![0-9a-f])", ("key-", "SK", "dapi")),
    (
        Kind.TOKEN,
        ALNUM + "{24,}",
        ("NRAK-", "dop_v1_", "doo_v1_", "rubygems_", "shpat_", "shpss_", "shpca_"),
    ),
)

PRIVATE_KEY = r"""-----BEGIN[ ][A-Z0-9 ]{0,40}PRIVATE[ ]KEY(?:[ ]BLOCK)?-----
(?:(?:[^-]|-(?!----))*+-----END[ ][A-Z0-9 ]{0,40}-----
|(?:\s{0,4}[A-Z][A-Za-z-]{2,20}:[ ][^\n]{0,200}\n){0,4}
 (?:(?:\s|\\[rn]|[>|"'+,#*]){1,80}+[A-Za-z0-9+/]{16,}+={0,2})*+
 (?:(?:\s|\\[rn]){1,80}+[A-Za-z0-9+/]{1,15}={1,2})?)"""
PUTTY_KEY = r"Private-Lines:[ ]?\d{1,4}\s{1,4}(?P<v>(?:[A-Za-z0-9+/=]{1,80}\s{0,4})++)"
JWT = r"(?-i:eyJ)(?<![\w-]eyJ)[\w-]{5,}+[.][\w-]{5,}+(?:[.][\w-]*+){0,3}"
USERINFO = r"""://[^\s:@/?\#"'<>]{0,128}:(?P<v>[^\s/"'<>]{1,256})@(?=[\w.\[{$%-])"""
LONE_USERINFO = r"://(?P<v>(?=[^\s@]{0,40}[0-9])[\w.~%-]{20,200})@(?=[\w\[])"
ORACLE = r"""jdbc:oracle:\w{1,8}:[^\s/:@]{1,64}/(?P<v>[^\s@"']{1,128})@"""
AUTHORIZATION = (
    r"""authorization["'\\\]]{0,4}[ \t]{0,4}(?:[:=,]|=>)[ \t]{0,4}["'\\]{0,4}[ \t]?
(?:(?:bearer|basic|token|negotiate|ntlm|api-?key|key|splunk|geniekey|ssws|bot)[ \t:]{1,4}
   (?:token=)?["']?)?+
(?!aws4-|digest[ ]|oauth[ ]|hawk[ ])(?P<v>[^\s"'\\,;<>]++)""",
    r"authorization:[ ](?:digest|oauth|hawk)[ ](?P<v>[^\n]++)",
)
BEARER = r"""bearer(?<![a-z]bearer)[ ]{1,2}(?P<v>(?=[a-z._~+/-]{0,60}[0-9])[\w.~+/-]{12,}={0,2})"""
COOKIES = r"""cookie(?<![a-z]cookie)["']?[ ]?[:=][ ]?["']?(?P<all>[^\n"']++)"""
SET_COOKIE = (
    r"""set-cookie["']?[ ]?[:=][ ]?["']?[^\s=;,]{1,80}=["']?(?P<v>[^\s;,"']++)"""
)
COOKIE = r"[^\s=;,]{1,80}=(?P<v>[^\s;,]++)"
SIGNATURE = r"""sig=(?<![\w-]sig=)(?P<v>[\w%+/=-]{20,})"""


def shapes(text: Searched) -> Iterator[Span]:
    """Yield tokens that their issuer gives a prefix."""
    for kind, body, prefixes in SHAPES:
        for prefix in prefixes:
            if text.has_token(prefix):
                begin = re.escape(prefix)
                first = "" if prefix.endswith("/") else f"(?<![A-Za-z0-9]{begin})"
                for match in re.compile(begin + first + body).finditer(text.whole):
                    yield Span(match.start(), match.end(), kind)


def pattern_rule(
    needle: str, *sources: str, kind: Kind
) -> Callable[[Searched], Iterator[Span]]:
    """Return a rule: the group `v`, or else all of each match, is a value.

    Args:
        needle: how every match begins, in lower case.
        sources: the patterns, verbose ones.
        kind: what they find.
    """

    def rule(text: Searched) -> Iterator[Span]:
        if not text.has(needle):
            return
        for source in sources:
            pattern = re.compile(source, re.IGNORECASE | re.VERBOSE)
            group: int | str = "v" if "v" in pattern.groupindex else 0
            for match in matches(text, needle, pattern):
                if not is_placeholder(match[group]):
                    yield Span(*match.span(group), kind)

    return rule


def cookies(text: Searched) -> Iterator[Span]:
    """Yield the value of every cookie that a client sends."""
    if not text.has("cookie"):
        return
    whole = re.compile(COOKIES, re.IGNORECASE | re.VERBOSE)
    for line in matches(text, "cookie", whole):
        if text.low.endswith("set-", 0, line.start()):
            continue
        for match in re.compile(COOKIE).finditer(text.whole, *line.span("all")):
            if not is_placeholder(match["v"]):
                yield Span(*match.span("v"), Kind.TOKEN)


RULES = (
    shapes,
    pattern_rule("-----begin", PRIVATE_KEY, kind=Kind.KEY),
    pattern_rule("private-lines", PUTTY_KEY, kind=Kind.KEY),
    pattern_rule("eyj", JWT, kind=Kind.JWT),
    pattern_rule("://", USERINFO, kind=Kind.PASSWORD),
    pattern_rule("://", LONE_USERINFO, kind=Kind.TOKEN),
    pattern_rule("jdbc:oracle", ORACLE, kind=Kind.PASSWORD),
    pattern_rule("authorization", *AUTHORIZATION, kind=Kind.TOKEN),
    pattern_rule("bearer", BEARER, kind=Kind.TOKEN),
    cookies,
    pattern_rule("set-cookie", SET_COOKIE, kind=Kind.TOKEN),
    pattern_rule("sig=", SIGNATURE, kind=Kind.TOKEN),
)
