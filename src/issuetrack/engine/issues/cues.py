"""The words by which a comment tells of a change, a dead end, a plan or a chat.

English and German. A phrase is a row of words, found whatever stands between them but
letters and digits; each word of a text is looked up once, so reading is linear in it.
"""

import re
from collections.abc import Iterable
from enum import IntEnum


class Cue(IntEnum):
    """What a phrase hints at."""

    DONE = 0
    REMEDY = 1
    FIX = 2
    WORKS = 3
    POINTER = 4
    NOW = 5
    PLAN = 6
    DEAD_END = 7
    VERDICT = 8
    BULK = 9


Phrases = dict[str, list[tuple[list[str], Cue]]]
Single = dict[str, list[Cue]]
WORD = re.compile(r"[^\W_]+")

VERBS = (
    "add adjust allow assign avoid backport bump bypass cache call cast change "
    "check clean clear comment configure convert copy correct create deactivate "
    "decrease delete deploy deprecate disable document downgrade drop enable ensure "
    "exclude expand export extend extract fall force format free handle ignore "
    "implement import improve include increase insert install integrate introduce "
    "limit load lock lower mark migrate modify mount move open override pass patch "
    "pin port prevent prune purge raise reboot rebuild recreate reduce refactor "
    "reimage reinstall reload remove rename renew reorder repair replace reset "
    "resize resolve restart restore restrict return revert rework rewrite rotate "
    "route shorten skip split stop substitute support swap switch throw trust turn "
    "unblock uninstall unlock unmount unset untar update upgrade use validate wait "
    "whitelist wrap "
)
IRREGULAR = {
    "rewrite": "rewrote rewrites rewritten",
    "set": "set sets setting",
    "make": "made makes making",
    "put": "put puts putting",
    "get rid": "got rid, gets rid",
    "take": "took takes",
    "throw": "threw thrown",
    "write": "wrote writes writing",
    "run": "ran runs",
    "swap": "swapped",
    "stop": "stopped stopping",
    "skip": "skipped skipping",
    "drop": "dropped dropping",
    "pin": "pinned pinning",
    "wrap": "wrapped wrapping",
    "split": "splits splitting",
    "unset": "unset",
    "turn": "turned off, turned on",
}
GERMAN_DONE = (
    "aktiviert, angepasst, aktualisiert, ausgetauscht, bereinigt, behoben, deaktiviert, "
    "eingespielt, eingestellt, entfernt, entsperrt, ergänzt, erhöht, erneuert, ersetzt, "
    "freigegeben, geändert, gelöscht, gelöst, geloest, gesetzt, getauscht, gestoppt, "
    "hinzugefügt, installiert, konfiguriert, korrigiert, neu gestartet, neugestartet, "
    "umgestellt, verlängert, verschoben, zurückgesetzt"
)
TABLE = {
    Cue.REMEDY: (
        "fixed by, fixed it by, fixed with, fixed via, fixed after, the fix was, "
        "root cause, cause was, caused by, resolved by, resolved it by, resolved with, "
        "resolved after, solved by, solved it by, solved with, turned out, what fixed, "
        "what helped, what worked, did the trick, that fixed it, this fixed it, "
        "this solved it, that solved it, permanent fix, rolled back, "
        "ursache, lösung, loesung, abhilfe, behoben, gelöst, geloest, lag an, lag am, "
        "geholfen"
    ),
    Cue.FIX: (
        "fixed it, was fixed, is fixed by, got fixed, the fix is, this fix, cause is, "
        "cause of, the cause, resolved it, solved it, this fixes, that fixed, "
        "this fixed, this solved, that solved, which fixes, to fix this, fixes this, "
        "fixes the, fixed the, fixing, problem was, the problem is, issue was, "
        "workaround, work around, the solution, solution was, can be solved, "
        "can be fixed, helped"
    ),
    Cue.WORKS: (
        "verified, confirmed, works now, works again, work again, working again, "
        "back to normal, all good, is back, are back, geht wieder, läuft wieder, "
        "funktioniert wieder, bestätigt"
    ),
    Cue.POINTER: (
        "duplicate of, duplicates, dup of, dupe of, a duplicate, fixed in, fixed by, "
        "fixed as, resolved in, resolved by, superseded by, superceded by, subsumed by, covered by, "
        "addressed in, addressed by, handled in, handled by, part of, same cause as, "
        "same as, same change, same fix, does the same, thanks to, since, duplikat von, "
        "erledigt mit, erledigt durch"
    ),
    Cue.NOW: (
        "now, no longer, not any more, anymore, has been, have been, had been, was added, "
        "were added, is now, are now, will now, already, i ve, we ve, instead, "
        "so that, in order to, by default, jetzt, nicht mehr, wurde, wurden, nun, damit"
    ),
    Cue.PLAN: (
        "should, could, would, maybe, perhaps, might, i think, i guess, i suppose, "
        "propose, proposal, suggest, suggestion, what about, how about, why not, "
        "we can, we need, need to, needs to, will need, ll need, then need, assigning, "
        "want to, would like, going to, will try, "
        "i ll, i will, plan to, planning, let me, lets, let us, looking at, looking into, "
        "working on, todo, not sure, wonder, wondering, if you, if we, idea, "
        "first cut, messy, rough, draft, wip, work in progress, proof of concept, "
        "sollte, könnte, vielleicht, vermutlich, werde, schaue, prüfe"
    ),
    Cue.DEAD_END: (
        "didnt help, did not help, didn t help, didnt work, did not work, didn t work, "
        "didnt fix, did not fix, didn t fix, didnt change, did not change, "
        "didn t change, no effect, no change, no luck, no difference, no help, "
        "without effect, still failing, still broken, still happening, still happens, "
        "still the same, still occurs, still occur, still there, still down, "
        "still fails, couldn t reproduce, could not reproduce, can t reproduce, "
        "can not reproduce, cannot reproduce, unable to reproduce, not reproducible, "
        "went away, by itself, no reason, no idea, reason unknown, cause unknown, "
        "no cause, closing for, inactivity, stale, without success, "
        "not the root cause, not the cause, not the fix, not a fix, not a solution, "
        "issue persists, problem persists, error persists, continues to persist, "
        "came back, same error, same problem, same result, same results, same issue, "
        "me too, i still, it still, spoke too soon, be ignored, please ignore, "
        "ohne erfolg, ohne wirkung, hilft nicht, "
        "half nicht, hat nicht geholfen, nicht geholfen, keine änderung, "
        "immer noch, kein effekt, tritt weiter auf, wieder da"
    ),
    Cue.VERDICT: (
        "closing this, close this, closing as, closing it, closed as, close as, "
        "closing, close of, mark as, marking as, marked as, marking this, won t fix, "
        "wont fix, wontfix, end of life, not a bug, not a problem, no longer needed, "
        "invalid, by design, works as designed, not supported, obsolete"
    ),
    Cue.BULK: (
        "bulk close, bulk closing, bulk progression, closing issues, close issues, "
        "closing old, close of legacy, legacy issue, legacy issues, "
        "moving to, moved to, moving this, setting fix version, pushing out, "
        "pushed out, no activity, released version, reset the fix version, "
        "fixversion, fix versions, target version, target versions, "
        "unassigning, marked as resolved, marking as resolved, to improve the visibility"
    ),
}

DULL_WORDS = (
    "a about after again all already also am an and any are as at be because been "
    "before being bit both but by can cannot could did didn do does doesn doing don "
    "done down for from further get gets go good got great had has have having he "
    "her here hi him his how i if in into is isn it its itself just know let like "
    "ll look looks lot make makes many may maybe me might more most much must my "
    "need needs new no nor not now of off ok on once one only or other our out over "
    "own please really s same see seems she should since so some sorry such sure t "
    "take than thank thanks that the their them then there these they thing things "
    "think this those though to too two under until up us use used using ve very "
    "via want was way we well were what when where whether which while who whole "
    "why will with work working works would yes yet you your apply applied applies "
    "approach attach attached attaching attachment backport backported branch "
    "branches bug build builds bulk cc change changed changes cherry close closed "
    "closing code comment comments commit commited commits committed committer "
    "contributed contribution cosmetic created current duplicate file files final "
    "first fix fixed fixes fixing hudson included integrated issue issues jenkins "
    "jira last latest legacy lgtm main master merge merged merging minor nit nits "
    "open opened overall part pass passed passes patch patched patches person "
    "picked pick pr problem problems pull push pushed ready rebase rebased related "
    "release released reopen reopened report reported request requested resolve "
    "resolved resolves resolving resolution rev review reviewed reviewing revision "
    "solve solved solves submit submitted svn test tested tests ticket today "
    "tomorrow trunk unit update updated upload uploaded user version versions wrote "
    "www yesterday http https com org apache github aber alle als auch auf aus bei "
    "bin bitte da danke das dem den der des die dies doch du ein eine einem einen "
    "einer er erledigt es fertig für geschlossen gut habe haben hat hier ich ihr im "
    "ist ja kann kein keine mal mehr mein mit nach nicht noch nur ob oder schon "
    "sehr sein sich sie sind über um und uns vom von vor war weil wenn werden wie "
    "wir wird zu zum zur "
)
DULL = frozenset(DULL_WORDS.split())


def telling(words: Iterable[str]) -> set[str]:
    """Return the words that say something: no filling, no tracker talk, no numbers."""
    return {w for w in words if len(w) > 1 and w not in DULL and not w.isdigit()}


def _forms(verb: str) -> list[str]:
    """Return how a verb tells of something done."""
    told = IRREGULAR.get(verb, "")
    if "," in told:
        return told.split(", ")
    if told:
        return told.split()
    if verb.endswith("y") and verb[-2] not in "aeiou":
        stem = verb[:-1]
        return [f"{stem}ied", f"{stem}ies", f"{verb}ing"]
    stem = verb.removesuffix("e")
    third = f"{verb}es" if verb.endswith(("s", "sh", "ch", "x")) else f"{verb}s"
    return [f"{stem}ed", third, f"{stem}ing"]


def _known() -> tuple[Single, Phrases]:
    """Return the cues of single words, and of rows of words by their first."""
    single: Single = {}
    phrases: Phrases = {}

    def keep(texts: Iterable[str], cue: Cue) -> None:
        for text in texts:
            first, *rest = text.split()
            if rest:
                phrases.setdefault(first, []).append((rest, cue))
            elif cue not in single.setdefault(first, []):
                single[first].append(cue)

    for verb in dict.fromkeys([*VERBS.split(), *IRREGULAR]):
        keep(_forms(verb), Cue.DONE)
    keep(GERMAN_DONE.split(", "), Cue.DONE)
    for cue, text in TABLE.items():
        keep(text.split(", "), cue)
    return single, phrases


_SINGLE, _PHRASES = _known()


def words_of(text: str) -> list[str]:
    """Return the words of a text in small letters."""
    return WORD.findall(text.lower())


def count(words: list[str]) -> list[int]:
    """Return how often words hint at what, by cue."""
    counts = [0] * len(Cue)
    single, phrases = _SINGLE, _PHRASES
    for place, word in enumerate(words):
        if word in single:
            for cue in single[word]:
                counts[cue] += 1
        if word in phrases:
            for rest, cue in phrases[word]:
                if words[place + 1 : place + 1 + len(rest)] == rest:
                    counts[cue] += 1
    return counts
