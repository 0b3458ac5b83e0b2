"""What it means when Jira refuses, and what to do about it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
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

CLOUD_HINT = (
    "make an API token at https://id.atlassian.com/manage-profile/security/api-tokens "
    "and give the e-mail address of its account as --username"
)
SERVER_HINT = (
    "make a personal access token in Jira under your profile and leave --username "
    "away, or give a user name and its password"
)
NEEDED = (
    (re.compile(r"/comment$"), "Add Comments (ADD_COMMENTS)"),
    (re.compile(r"/transitions$"), "Transition Issues (TRANSITION_ISSUES)"),
    (re.compile(r"/user/search$"), "Browse users and groups (USER_PICKER)"),
    (
        re.compile(r"/issue/[^/]+$"),
        "Browse Projects (BROWSE_PROJECTS), and Edit Issues (EDIT_ISSUES) to change it",
    ),
)
READ_NEEDED = "Browse Projects (BROWSE_PROJECTS)"
_ISSUE = re.compile(r"/rest/api/[^/]+/issue/([^/]+)")


class NoIssue(NotFoundError):  # noqa: N818 - the condition's own name
    """Jira itself says that it has no such issue, or does not show it."""


@dataclass(frozen=True)
class Refusals:
    """Makes errors of Jira's refusals.

    Attributes:
        cloud: it is Atlassian's own.
        anonymous: no credential is sent.
    """

    cloud: bool
    anonymous: bool

    def explain(self, answer: Answer) -> IssueTrackError:
        """Return what an answer with a status of 400 and above means."""
        if (
            "captcha"
            in answer.headers.get("x-authentication-denied-reason", "").lower()
        ):
            return CredentialError(
                "Jira asks for a captcha after too many failed logins",
                "log in to Jira in the browser once, then run the same command again",
            )
        known: dict[int, Callable[[Answer], IssueTrackError]] = {
            HTTPStatus.BAD_REQUEST: _not_understood,
            HTTPStatus.UNAUTHORIZED: self._unknown,
            HTTPStatus.FORBIDDEN: _forbidden,
            HTTPStatus.NOT_FOUND: _missing,
            HTTPStatus.GONE: _abolished,
            HTTPStatus.CONFLICT: _not_understood,
            HTTPStatus.UNPROCESSABLE_ENTITY: _not_understood,
        }
        return known.get(answer.status, _unexpected)(answer)

    def _unknown(self, answer: Answer) -> IssueTrackError:
        hint = CLOUD_HINT if self.cloud else SERVER_HINT
        if self.anonymous:
            return CredentialError(f"{_host(answer)} wants a credential", hint)
        return CredentialError(f"{_host(answer)} does not take the credential", hint)


def said(answer: Answer) -> str:
    """Return Jira's own error messages as one clean line; empty if there are none."""
    try:
        content = answer.record()
    except RemoteAnswerError:
        return ""
    messages, errors = content.get("errorMessages"), content.get("errors")
    texts = list(messages) if isinstance(messages, list) else []
    if isinstance(errors, dict):
        texts += [f"{name}: {text}" for name, text in errors.items()]
    texts.append(content.get("message"))
    return clean_words("; ".join(text for text in texts if isinstance(text, str)))


def _host(answer: Answer) -> str:
    return urlsplit(answer.url).netloc


def _path(answer: Answer) -> str:
    return urlsplit(answer.url).path


def _not_understood(answer: Answer) -> IssueTrackError:
    words = said(answer) or f"status {answer.status}"
    if "/search" in _path(answer):
        return UsageError(
            f"Jira does not take the query: {words}",
            "check --jql; try it in Jira under Filters, Advanced issue search",
        )
    return UsageError(f"Jira refuses: {words}", "mend what it names and try again")


def _forbidden(answer: Answer) -> IssueTrackError:
    path, words = _path(answer), said(answer)
    needed = (name for pattern, name in NEEDED if pattern.search(path))
    permission = next(needed, READ_NEEDED)
    return RemoteForbidden(
        f"{_host(answer)} refuses {path}" + (f": {words}" if words else ""),
        f"the credential may need the permission {permission}",
    )


def _missing(answer: Answer) -> IssueTrackError:
    issue = _ISSUE.search(_path(answer))
    if issue is not None and said(answer):
        return NoIssue(
            f"Jira has no issue {clean_words(issue[1])}, or does not show it",
            f"it may have been deleted, or the credential may need {READ_NEEDED}",
        )
    return NotFoundError(
        f"{_host(answer)} has no {_path(answer)}",
        "check the base url; for a Jira under /jira add --option context-path=/jira; "
        "Jira Cloud has --api-version 3, others have 2",
    )


def _abolished(answer: Answer) -> IssueTrackError:
    return NotFoundError(
        f"{_host(answer)} no longer has {_path(answer)}", "use --api-version 3"
    )


def _unexpected(answer: Answer) -> IssueTrackError:
    words = said(answer)
    return RemoteAnswerError(
        f"{_host(answer)} answers {_path(answer)} with status {answer.status}"
        + (f": {words}" if words else ""),
        "check the base url and the kind of the source",
    )
