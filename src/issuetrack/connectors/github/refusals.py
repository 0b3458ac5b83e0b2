"""What GitHub's refusals mean, and what to do about them."""

import re
from urllib.parse import urlsplit

from issuetrack.connectors.answers import Answer, clean_words
from issuetrack.engine.errors import (
    CredentialError,
    IssueTrackError,
    NotFoundError,
    RemoteAnswerError,
    RemoteForbidden,
    UsageError,
)

UNAUTHORIZED, FORBIDDEN, MISSING, GONE, UNPROCESSABLE = 401, 403, 404, 410, 422
_REPOSITORY = re.compile(r"/repos/([^/]+/[^/]+)")


def said(answer: Answer) -> str:
    """Return GitHub's own words, cleaned."""
    try:
        record = answer.record()
    except RemoteAnswerError:
        return f"status {answer.status}"
    words = [str(record.get("message") or f"status {answer.status}")]
    errors = record.get("errors")
    words += [
        str(error.get("message") if isinstance(error, dict) else error)
        for error in (errors if isinstance(errors, list) else [])
    ]
    return clean_words("; ".join(words))


def refusal(answer: Answer) -> IssueTrackError:
    """Return the error for an answer with a status of 400 and above."""
    host = urlsplit(answer.url).netloc
    explain = {
        UNAUTHORIZED: _unauthorized,
        FORBIDDEN: _forbidden,
        MISSING: _missing,
        GONE: _missing,
        UNPROCESSABLE: _unprocessable,
    }.get(answer.status)
    if explain is not None:
        return explain(answer, host)
    return RemoteAnswerError(
        f"{host} refuses {urlsplit(answer.url).path}: {said(answer)}",
        "check the base url and the scope of the source",
    )


def _unauthorized(answer: Answer, host: str) -> IssueTrackError:
    return CredentialError(
        f"{host} does not take the token ({said(answer)}): it is wrong or has expired",
        "make one in the settings of your account under developer settings, with read "
        "access to issues; then: issuetrack source edit NAME --token-stdin",
    )


def _forbidden(answer: Answer, host: str) -> IssueTrackError:
    sign_on = answer.headers.get("x-github-sso", "")
    if sign_on:
        return RemoteForbidden(
            f"{host} asks for single sign-on of the organisation for this token",
            "authorise the token for the organisation in your account's settings",
        )
    missing = answer.headers.get("x-accepted-github-permissions", "")
    scopes = answer.headers.get("x-accepted-oauth-scopes", "")
    needed = missing or scopes
    what = f"; it takes {clean_words(needed)}" if needed else ""
    return RemoteForbidden(
        f"the token may not do this at {host} ({said(answer)}){what}",
        "give the token that permission, or another: issuetrack source edit NAME "
        "--token-stdin",
    )


def _missing(answer: Answer, host: str) -> IssueTrackError:
    path = urlsplit(answer.url).path
    match = _REPOSITORY.search(path)
    if match is None:
        return NotFoundError(
            f"{host} has no {path}",
            "check the base url; GitHub Enterprise needs --option api-path=/api/v3",
        )
    return NotFoundError(
        f"{host} has no {path[match.start() + len('/repos/') :]}, or the token may not "
        "see it",
        "check the spelling; a private repository needs a token with read access to "
        "its issues: issuetrack source edit NAME --token-stdin",
    )


def _unprocessable(answer: Answer, host: str) -> IssueTrackError:
    return UsageError(
        f"{host} does not understand the request: {said(answer)}",
        "check --query; try it in the search field of the web page",
    )
