"""Two procedures compared field by field."""

from issuetrack.engine.assistant.sops.changes import COMPARED, Change, changes
from issuetrack.engine.assistant.sops.procedure import Procedure
from timing import growth

OLD = Procedure(
    "Disk full",
    problem="The disk of a database is full.",
    steps="1. Stop the job\n2. Delete old logs\n3. Start the job",
    rollback="Nothing to undo.",
    tags=("disk",),
)


def test_the_same_procedure_has_no_changes() -> None:
    """Every field is listed in order, unchanged and without lines."""
    found = changes(OLD, OLD)
    assert [one.field for one in found] == list(COMPARED)
    assert {(one.change, one.lines) for one in found} == {(Change.UNCHANGED, ())}


def test_each_field_tells_what_happened_to_it() -> None:
    """Added, removed and changed fields come with their lines, others with none."""
    new = Procedure(
        "Disk full",
        problem=OLD.problem,
        cause="Logs are kept for ever.",
        steps="1. Stop the job\n2. Compress old logs\n3. Start the job",
        tags=("disk", "postgres"),
    )
    found = {one.field: one for one in changes(OLD, new)}
    assert found["title"].change is Change.UNCHANGED
    assert (found["cause"].change, found["cause"].lines) == (
        Change.ADDED,
        ("@@ -0,0 +1 @@", "+Logs are kept for ever."),
    )
    assert (found["rollback"].change, found["rollback"].lines) == (
        Change.REMOVED,
        ("@@ -1 +0,0 @@", "-Nothing to undo."),
    )
    assert (found["steps"].change, found["steps"].lines) == (
        Change.CHANGED,
        (
            "@@ -1,3 +1,3 @@",
            " 1. Stop the job",
            "-2. Delete old logs",
            "+2. Compress old logs",
            " 3. Start the job",
        ),
    )
    assert (found["tags"].change, found["tags"].lines) == (
        Change.CHANGED,
        ("@@ -1 +1,2 @@", " disk", "+postgres"),
    )


def test_long_fields_are_compared_in_no_time() -> None:
    """Two fields of 20,000 unlike lines are told as replaced whole."""

    def compare(size: int) -> None:
        old = Procedure("t", steps="\n".join(f"a{n % 7}" for n in range(size)))
        new = Procedure("t", steps="\n".join(f"a{n % 5}" for n in range(size)))
        (steps,) = (one for one in changes(old, new) if one.field == "steps")
        assert (steps.change, len(steps.lines)) == (Change.CHANGED, 2 * size + 1)
        assert changes(old, old)[4].lines == ()

    assert growth(compare, 20_000) < 8
