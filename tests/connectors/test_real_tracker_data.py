"""Real issues of GitHub, Jira and Hadoop: all are taken in, none is put aside."""

import json
import re
from itertools import islice
from pathlib import Path

import pytest

from conftest import SHARED
from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.connectors.github import records as github
from issuetrack.connectors.jira import records as jira
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.engine.sync.service import ImportReport
from issuetrack.engine.workspace import Workspace

DATA = SHARED / "data"
MARKUP = re.compile(
    r"\{(?:code|noformat|quote|panel|color|anchor)[^}\n]*\}|^\s*(?:h\d|bq)\.|\[~",
    re.MULTILINE,
)


def data_file(name: str) -> Path:
    """Return the path of a shared file; skip where there is none."""
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"the shared data set {name} is not here")
    return path


def taken(
    workspace: Workspace, path: Path, form: FileFormat, source: str
) -> ImportReport:
    """Import a file without indexing it."""
    reader = FileReader(path, form, {})
    return workspace.imports.run(workspace.actor, source, form, reader.items())


@pytest.mark.parametrize("form", [FileFormat.AUTO, FileFormat.GITHUB])
def test_github_issues(workspace: Workspace, form: FileFormat) -> None:
    """All issues come in, 227 pull requests are skipped, nothing is put aside.

    Of the 288 records of issues 16 are there twice.
    """
    path = data_file("github/real_issues.jsonl")
    report = taken(workspace, path, form, "github")
    assert (report.read, report.created, report.skipped) == (515, 272, 227)
    assert (report.updated, report.quarantined, report.problems) == (0, 0, [])
    assert workspace.issues.matching(workspace.actor)[1] == 272
    again = taken(workspace, path, form, "github")
    assert (again.created, again.updated) == (0, 0)


GITHUB_KEPT = {
    *("assignee", "body", "closed_at", "created_at", "html_url", "id", "labels"),
    *("number", "state", "state_reason", "title", "updated_at", "url", "user"),
}
GITHUB_DROPPED = {
    *("assignees", "author_association", "comments", "comments_url", "events_url"),
    *("labels_url", "locked", "milestone", "node_id", "reactions", "repository_url"),
    *("timeline_url", "type", "issue_url", "issue_number"),
}


def test_no_text_of_github_is_lost() -> None:
    """Titles, texts, labels and names come over as they are; the rest is listed."""
    seen: set[str] = set()
    count = 0
    with data_file("github/real_issues.jsonl").open() as file:
        for record in map(json.loads, file):
            if record.get("pull_request"):
                continue
            found = github.issue(record)
            count += 1
            seen |= {name for name, value in record.items() if value}
            assert (found.title, found.body) == (record["title"], record["body"] or "")
            assert list(found.labels) == [one["name"] for one in record["labels"]]
            assert found.reporter == record["user"]["login"]
    assert count == 288
    with data_file("github/real_comments.jsonl").open() as file:
        for record in map(json.loads, file):
            seen |= {name for name, value in record.items() if value}
            said = github.comment(record)
            assert (said.body, said.author) == (record["body"], record["user"]["login"])
    assert seen <= GITHUB_KEPT | GITHUB_DROPPED


JIRA_KEPT = {
    *("assignee", "attachment", "comment", "components", "created", "description"),
    *("issuelinks", "issuetype", "labels", "priority", "project", "reporter"),
    *("resolution", "resolutiondate", "status", "summary", "updated"),
}
JIRA_DROPPED = {
    *("aggregateprogress", "aggregatetimeestimate", "aggregatetimeoriginalestimate"),
    *("aggregatetimespent", "creator", "duedate", "environment", "fixVersions"),
    *("parent", "progress", "subtasks", "timeestimate", "timeoriginalestimate"),
    *("timespent", "timetracking", "versions", "votes", "watches", "worklog"),
    "workratio",
}


def test_what_is_dropped_of_jira_is_listed() -> None:
    """Each field with something in it is kept, or on the list, or a custom one."""
    with data_file("jira/raw_v2_issues.jsonl").open() as file:
        seen = {
            name
            for record in map(json.loads, file)
            for name, value in record["fields"].items()
            if value and not name.startswith("customfield_")
        }
    assert seen - JIRA_KEPT - JIRA_DROPPED == set()


def test_every_record_is_counted(workspace: Workspace) -> None:
    """The counts add up to what was read, and a dry run foresees them."""
    path = data_file("github/real_issues.jsonl")
    reader = FileReader(path, FileFormat.AUTO, {})
    foreseen = workspace.imports.run(
        workspace.actor, "github", "auto", reader.items(), dry_run=True
    )
    report = taken(workspace, path, FileFormat.AUTO, "github")
    counted = report.created + report.updated + report.unchanged + report.skipped
    assert counted + report.quarantined == report.read
    assert foreseen.created == report.created


def test_github_comments(workspace: Workspace) -> None:
    """Comments go to the issues they name, once."""
    issues = data_file("github/real_issues.jsonl")
    comments = data_file("github/real_comments.jsonl")
    taken(workspace, issues, FileFormat.AUTO, "github")
    report = taken(workspace, comments, FileFormat.AUTO, "github")
    assert report.read == report.comments + report.quarantined == 38
    assert all("has not been imported" in p.reason for p in report.problems)
    again = taken(workspace, comments, FileFormat.AUTO, "github")
    assert again.comments == 0


@pytest.mark.parametrize("form", [FileFormat.AUTO, FileFormat.JIRA])
def test_jira_issues(workspace: Workspace, form: FileFormat) -> None:
    """195 issues come in, nothing is put aside."""
    path = data_file("jira/raw_v2_issues.jsonl")
    report = taken(workspace, path, form, "jira")
    assert (report.read, report.created) == (195, 195)
    assert (report.quarantined, report.problems) == (0, [])
    again = taken(workspace, path, form, "jira")
    assert (again.created, again.updated, again.unchanged) == (0, 0, 195)


def test_every_word_of_jira_survives() -> None:
    """Markup becomes Markdown; no word of a description or comment is lost."""
    with data_file("jira/raw_v2_issues.jsonl").open() as file:
        for record in map(json.loads, file):
            found = jira.issue(record)
            raw = [(record["fields"]["description"] or "", found.body)]
            comments = record["fields"]["comment"]["comments"]
            assert len(comments) == len(found.comments)
            raw += zip((c["body"] for c in comments), bodies(found), strict=True)
            for text, markdown in raw:
                assert words(text) <= words(markdown), (found.key, text)


def bodies(issue: RemoteIssue) -> list[str]:
    """Return the texts of the comments."""
    return [comment.body for comment in issue.comments]


def words(text: str) -> set[str]:
    """Return the words of a text that are no markup of the wiki."""
    return set(re.findall(r"[^\W_]{2,}", MARKUP.sub(" ", text)))


def test_jira_issues_as_one_document(workspace: Workspace, tmp_path: Path) -> None:
    """The same issues as one array come in as well."""
    lines = data_file("jira/raw_v2_issues.jsonl").read_text().splitlines()
    path = tmp_path / "all.json"
    path.write_text(json.dumps([json.loads(line) for line in lines]))
    report = taken(workspace, path, FileFormat.AUTO, "jira")
    assert (report.created, report.quarantined) == (195, 0)


def test_hadoop_issues(workspace: Workspace, tmp_path: Path) -> None:
    """The first 200 issues of the duplicates set come in, nothing is put aside."""
    with data_file("duplicates/hadoop.issues.jsonl").open() as file:
        head = list(islice(file, 200))
    path = tmp_path / "head.jsonl"
    path.write_text("".join(head))
    report = taken(workspace, path, FileFormat.AUTO, "hadoop")
    assert (report.read, report.created) == (200, 200)
    assert (report.quarantined, report.problems) == (0, [])
