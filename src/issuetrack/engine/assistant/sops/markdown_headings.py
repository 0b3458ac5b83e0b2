"""What the headings of runbooks announce, in English and German."""

import re
from enum import StrEnum


class Kind(StrEnum):
    """What a section of a runbook tells."""

    PROBLEM = "problem"
    SYMPTOMS = "symptoms"
    CAUSE = "cause"
    INVESTIGATION = "investigation"
    PREPARATION = "preparation"
    STEPS = "steps"
    VALIDATION = "validation"
    ROLLBACK = "rollback"
    NOTES = "notes"


_ON = r"(?: (?:of|on|for|to|in|with|from|von|für|auf|der|des|die|das)\b.*)?"
_FAMILIES = {
    Kind.PROBLEM: (
        r"(?:the )?problem(?:e|s|atik)?(?: statement| description|beschreibung)?",
        r"meaning|what (?:it|this|the alert) means|what is (?:this|it|wrong|happening)",
        r"what (?:does|is|do) this (?:alert|error|mean|metric).*|what happened",
        r"(?:general |quick |short |brief |high[ -]level |service )*overview" + _ON,
        r"(?:executive |short |brief |simple )*summary|synopsis|abstract|tl;? ?dr",
        r"(?:general |short |brief |alert |incident |issue |detailed )*description"
        + _ON,
        r"(?:the |about this |about the )?(?:alert|alarm|issue|incident|error)",
        r"(?:alert|alarm) (?:meaning|details?|definition|summary|expression|rule)s?",
        r"(?:possible )?alert variants|(?:firing|trigger) conditions?|triggers?",
        r"(?:purpose|scope|objective|goal|aim)s?(?: and \w+)?" + _ON,
        r"(?:general |some )?(?:background|context)(?: information| details)?",
        r"intro(?:duction)?|about|general(?: information)?|when to use(?: this.*)?",
        r"beschreibung|problembeschreibung|fehlerbeschreibung|kurzbeschreibung|störung",
        r"bedeutung|überblick|übersicht|zusammenfassung|zweck|hintergrund|ziel|alarm",
        r"einleitung|einführung|worum (?:es geht|geht es)|geltungsbereich|ausgangslage",
    ),
    Kind.SYMPTOMS: (
        r"(?:common |typical |observed |known |usual |visible )*symptoms?"
        r"(?: visible to .*)?" + _ON,
        r"(?:the |user |customer |business |service |potential |possible )*impacts?"
        + _ON,
        r"(?:possible |side )*(?:effects?|consequences?)|what (?:is|it) affect(?:ed|s)",
        r"signs?(?: of .*)?|(?:error|log) (?:messages?|patterns?|output)|observations?",
        r"(?:failure|alert) detection|detection|detecting .*|how (?:to|it is) detect.*",
        r"(?:how|what) (?:it|this|you|users?|customers?) (?:shows?|sees?|looks?|see|feel)"
        r"(?: .*)?|how to recogni[sz]e.*|severity|blast radius",
        r"symptome?n?|auswirkung(?:en)?|anzeichen|fehlerbild(?:er)?|erkennung|folgen",
        r"fehlermeldung(?:en)?|merkmale|beobachtung(?:en)?|woran erkennt man .*",
    ),
    Kind.CAUSE: (
        r"(?:the |most |root |possible |probable |likely |common |potential |known |"
        r"typical |usual |underlying )*(?:root[ -]?causes?|causes?|reasons?)" + _ON,
        r"why(?: (?:does|did|is|this|it)\b.*)?|what causes .*|failure modes?|rca",
        r"(?:common |possible )*failure scenarios?|usual issues|caused by",
        r"(?:mögliche |häufige |wahrscheinliche |die )*(?:grund|fehler|haupt)?ursachen?",
        r"(?:mögliche )?gr(?:und|ünde)|warum .*|auslöser|ursachenanalyse",
    ),
    Kind.INVESTIGATION: (
        r"(?:initial |further |quick |first |alert )*diagnos(?:is|e|es|tics?|ing)"
        r"(?: steps| procedure| commands)?" + _ON,
        r"(?:general |basic |common |quick )*trouble ?-?shoot(?:ing)?"
        r"(?: pointers| guide| steps| tips| procedure)?" + _ON,
        r"(?:further |initial |how to )*investigat(?:ion|ions|e|ing)(?: steps)?" + _ON,
        r"(?:possible |initial |first |quick |things to |what to |other things to |how to "
        r"|steps to |pre-?|basic )+checks?(?: first)?|checks|checklist|check",
        r"debug(?:ging)?(?: steps)?" + _ON + r"|triage(?: steps)?|(?:log )?analysis",
        r"how to (?:debug|diagnose|troubleshoot|analy[sz]e|triage)\b.*|identification",
        r"identifying .*|where to look|first steps|(?:first|initial) response",
        r"(?:fehler)?diagnose|fehlersuche|(?:fehler)?analyse|untersuchung|eingrenzung",
    ),
    Kind.PREPARATION: (
        r"pre-?requisites?|requirements?|before (?:you|we) (?:start|begin)|preparations?",
        r"prep|first and foremost|what you need|(?:required )?(?:permissions|access)",
        r"vorbereitung(?:en)?|voraussetzung(?:en)?|vorbedingung(?:en)?|benötigt.*",
    ),
    Kind.STEPS: (
        r"(?:the |detailed |recovery |resolution |mitigation |remediation |manual |next "
        r"|following |repair )*steps?(?: to (?!check).*| in order| taken)?",
        r"(?:possible |suggested |temporary |permanent |known |quick |how to |the )*"
        r"(?:resolutions?|resolve|solutions?|solve|mitigations?|mitigate|remediations?|"
        r"remediate|fix|fixes|fixing|work-?arounds?|remed(?:y|ies)|repairs?|hotfix)"
        r"(?: steps| procedure| actions?| options?| strateg(?:y|ies)| plan)?"
        + _ON
        + r"|how to (?:fix|resolve|mitigate|solve|remediate|recover|repair)\b.*",
        r"(?:standard |operating |recovery |emergency |manual |the )*procedures?"
        r"(?: for .*)?|instructions?|play-?book|run-?book(?: steps)?|recipe|how-?to",
        r"(?:recommended |immediate |corrective |required |suggested |possible |operator "
        r"|first |manual )*actions?(?: items| steps| plan| to take| required)?",
        r"what (?:to|should i|can i|you can|can you|we) (?:do|did)\b.*|how do i",
        r"(?:failure |disaster |service )*recovery" + _ON + r"|immediate relief",
        r"(?:the )?response|handling|execution|implementation|resolving .*|recovering .*",
        r"(?:lösungs|behebungs|arbeits|handlungs|die )*(?:schritte|weg|anweisung(?:en)?)",
        r"lösung(?:en)?|(?:fehler|problem)?behebung|(?:sofort|gegen)?ma(?:ß|ss)nahmen?",
        r"vorgehen(?:sweise)?|abhilfe|anleitung|durchführung|ablauf|umgehung(?:slösung)?",
        r"was (?:ist )?zu tun(?: ist)?|handlungsempfehlung(?:en)?|wiederherstellung",
    ),
    Kind.VALIDATION: (
        r"(?:how to |steps to )?(?:verif(?:y|ied|ication|ying)|validat(?:e|ed|ion|ing)|"
        r"confirm(?:ed|ation|ing)?)(?: (?:steps|procedure|checks?|tests?|it worked|"
        r"(?:of |that )?(?:the |a |your )?(?:fix|resolution|recovery|solution|result|"
        r"success|change|status|health|outcome|alert|issue|problem|service)\b.*))?",
        r"post-?(?: ?(?:operation|resolution|fix|incident))?[ -]?(?:checks?|validation|"
        r"verification)|(?:post|final|smoke|sanity|health)[ -]?(?:checks?|tests?)",
        r"(?:acceptance )?test(?:s|ing)?|(?:success|exit|acceptance) criteria|proof",
        r"expected (?:results?|outcomes?|state)|how (?:do|can) (?:i|we|you) know .*",
        r"(?:über)?prüfung(?:en)?|verifi(?:kation|zierung)|validierung|nachkontrolle",
        r"(?:erfolgs|abschluss)?kontrolle|nachweis|abnahme|funktionstest|prüfen",
    ),
    Kind.ROLLBACK: (
        r"(?:how to |the |to |emergency |application |upgrades? and )*"
        r"(?:roll(?:ing)?[ -]?backs?|back(?:ing)?[ -]?outs?|undo(?:ing)?|revert(?:ing)?|"
        r"way back|fall-?back)(?: plan| procedure| steps| strategy| instructions)?"
        + _ON,
        r"if (?:it|something|anything) (?:goes wrong|fails)|undo(?: the)? changes?",
        r"zurückrollen|rücknahme|rückbau|rückfall(?:plan|ebene)?|rückabwicklung",
        r"(?:änderungen? )?rückgängig(?: machen)?|rückweg|notfallplan",
    ),
    Kind.NOTES: (
        r"(?:additional |further |other |important |release |side )*(?:notes?|remarks?|"
        r"comments?|information|info|details|considerations)" + _ON,
        r"(?:useful |related |external |quick |additional |further |more |other )*"
        r"(?:references?|links?|resources|reading|documentation|documents|docs|runbooks?"
        r"|alerts?|dashboards?|articles?)(?: to .*)?|see also|sources?|appendix|faq",
        r"(?:when to )?escalat(?:ion|e|ing)(?: path| policy| procedure| contacts?)?"
        + _ON,
        r"contacts?|owner(?:ship|s)?|authors?|maintainers?|stakeholders|support",
        r"prevention|preventi(?:ve|on) .*|follow[ -]?ups?|lessons(?: learned)?|timeline",
        r"history|change ?log|revisions?|version|meta(?:data)?|tags?|labels?|glossary",
        r"(?:table of )?contents?|toc|todo|future work|logging|monitoring(?:/alerting)?",
        r"alerting|architecture|tips(?: and tricks)?|examples?|security/compliance",
        r"hinweise?|anmerkung(?:en)?|notiz(?:en)?|verweise|quellen|eskalation|anhang",
        r"ansprechpartner|kontakte?|siehe auch|vorbeugung|prävention|inhalt(?:.*)|verlauf",
        r"(?:weiterführende )?(?:links|informationen|dokumentation)|änderungshistorie",
    ),
}
LONGEST = 200
_KNOWN = {
    kind: re.compile("|".join(f"(?:{words})" for words in families))
    for kind, families in _FAMILIES.items()
}
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_MARKS = re.compile(r"\*\*|__|[`*]")
_NUMBER = re.compile(
    r"(?P<step>(?:step|schritt) ?)?(?:\d{1,3}|(?<=\w )[a-z\d])(?:\.\d{1,3})*"
    r"(?P<end>[ .:)\u2013-]+|$)"
)
_JOINED = re.compile(r" ?[/&,+] ?| (?:and|und|or|oder) ")
_ASIDE = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|[^\w\s/&,+;'-]")


def plain(heading: str) -> str:
    """Return a heading without emphasis, code marks and the targets of its links."""
    return " ".join(_MARKS.sub("", _LINK.sub(r"\1", heading)).split())


def kind_of(heading: str) -> Kind | None:
    """Tell what a heading announces; None if it could be anything.

    Numbers before it do not matter, nor what follows a colon. Of several things, the
    steps count most, then the first.
    """
    name = _name(heading)
    number = _NUMBER.match(name)
    rest = name[number.end() :] if number else name
    known = _known(rest) or _known(rest.partition(":")[0])
    if known is None and number and number["step"]:
        return Kind.STEPS
    return known


def is_one_step(heading: str) -> bool:
    """Tell whether a heading is that of one step of several, such as Step 2."""
    number = _NUMBER.match(_name(heading))
    return bool(number and number["step"])


def _name(heading: str) -> str:
    """Return a heading in lower case; "" if it is too long for one of a family."""
    if len(heading) > LONGEST:
        return ""
    return plain(heading).casefold().strip("?!. ")


def _known(name: str) -> Kind | None:
    name = " ".join(_ASIDE.sub(" ", name).split())
    if not name:
        return None
    whole = next((kind for kind in Kind if _KNOWN[kind].fullmatch(name)), None)
    if whole is not None:
        return whole
    parts = [part for part in _JOINED.split(name) if part]
    if len(parts) < 2:  # noqa: PLR2004 - several
        return None
    kinds = [_known(part) for part in parts]
    if None in kinds:
        return None
    return Kind.STEPS if Kind.STEPS in kinds else kinds[0]
