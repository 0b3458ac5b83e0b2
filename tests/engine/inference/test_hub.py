"""Files from a hub: checked, resumed, pinned, refused."""

from pathlib import Path

import pytest

from engine.inference.loopback import Hub, Loopback, json_reply, serving
from engine.inference.tiny_models import gguf
from issuetrack.engine.egress import Outcome, recording_to
from issuetrack.engine.errors import DiskFull, ModelError, ModelFileError, UsageError
from issuetrack.engine.inference.catalogue import entry_for
from issuetrack.engine.inference.library import ModelLibrary
from issuetrack.engine.inference.manifest import InstalledModel, Provider

NAME = "acme/tiny-GGUF/Tiny-Q4.gguf"
CONTENT = gguf(tail=bytes(range(256)) * 4000)


def library(server: Loopback, data: Path, free: int = 2**40) -> ModelLibrary:
    """Return the models of a data directory, fetched from a loopback hub."""
    return ModelLibrary(data, {"HF_ENDPOINT": server.url}, lambda _: free)


def pull(server: Loopback, data: Path, free: int = 2**40) -> InstalledModel:
    """Fetch the file."""
    return library(server, data, free).pull(entry_for(NAME))


def test_pulled_file_is_whole_and_known(tmp_path: Path) -> None:
    """The file is where the manifest says, with the checksum that the hub states."""
    hub, seen = Hub(CONTENT), list[tuple[int, int]]()
    with (
        serving(hub) as server,
        recording_to(tmp_path / "egress.jsonl") as ledger,
    ):
        models = library(server, tmp_path)
        model = models.pull(entry_for(NAME), lambda d, t: seen.append((d, t)))
        assert {path.partition("?")[0] for path in server.paths} == {
            "/acme/tiny-GGUF/resolve/main/Tiny-Q4.gguf"
        }
        places = {(e.host, e.port, e.purpose, e.outcome) for e in ledger.entries()}
        assert places == {("127.0.0.1", server.port, "pull tiny-q4", Outcome.CONTACTED)}
    assert (tmp_path / "models" / "tiny-q4.gguf").read_bytes() == CONTENT
    assert (model.sha256, model.provider) == (hub.sha256, Provider.LLAMA_CPP)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert models.manifest.models() == (model,)


def test_broken_download_goes_on_where_it_was(tmp_path: Path) -> None:
    """What came before the connection broke is not asked for again."""
    hub = Hub(CONTENT)
    part = tmp_path / "models" / f"tiny-q4-{hub.sha256[:16]}.part"
    part.parent.mkdir()
    part.write_bytes(CONTENT[:300_000])
    with serving(hub) as server:
        pull(server, tmp_path)
    assert hub.ranges == ["bytes=300000-"]
    assert (tmp_path / "models" / "tiny-q4.gguf").read_bytes() == CONTENT
    assert not part.exists()


def test_connection_that_breaks_once_is_taken_up_again(tmp_path: Path) -> None:
    """One break in the middle does not show."""
    hub = Hub(CONTENT, break_after=100_000)
    with serving(hub) as server:
        pull(server, tmp_path)
    assert len(hub.ranges) == 2
    assert (tmp_path / "models" / "tiny-q4.gguf").read_bytes() == CONTENT


def test_file_with_another_checksum_is_refused_and_removed(tmp_path: Path) -> None:
    """What is not what the hub states is not kept."""
    with serving(Hub(CONTENT, stated="0" * 64)) as server:
        with pytest.raises(ModelFileError, match="checksum"):
            pull(server, tmp_path)
        assert library(server, tmp_path).manifest.models() == ()
    assert list((tmp_path / "models").glob("*tiny*")) == []


def test_hub_that_states_no_checksum_is_not_believed(tmp_path: Path) -> None:
    """A git blob's name is no SHA-256 of the file."""
    with (
        serving(Hub(CONTENT, stated="f" * 40)) as server,
        pytest.raises(ModelError, match="states no checksum"),
    ):
        pull(server, tmp_path)


def test_disk_without_room_is_told_before_the_download(tmp_path: Path) -> None:
    """Both figures are told, and the file is not asked for."""
    hub = Hub(CONTENT)
    with (
        serving(hub) as server,
        pytest.raises(DiskFull, match=r"needs 1 MiB, .* has 1 MiB left"),
    ):
        pull(server, tmp_path, free=1024 * 1024)
    assert hub.ranges == []


def test_second_pull_fetches_nothing(tmp_path: Path) -> None:
    """A file that is there and sound is left alone."""
    with serving(Hub(CONTENT)) as server:
        first = pull(server, tmp_path)
        before = len(server.asked)
        assert pull(server, tmp_path) == first
        assert len(server.asked) == before


def test_later_file_that_differs_is_refused(tmp_path: Path) -> None:
    """The first checksum is pinned, until somebody says that it may be forgotten."""
    other = Hub(CONTENT + b"changed")
    with serving(Hub(CONTENT)) as server:
        pull(server, tmp_path)
        library(server, tmp_path).remove("tiny-q4")
    with serving(other) as server:
        with pytest.raises(ModelFileError, match="another file now") as caught:
            pull(server, tmp_path)
        assert "--forget" in str(caught.value.hint)
        assert other.ranges == []


def test_forgotten_checksum_is_no_hindrance(tmp_path: Path) -> None:
    """After `remove --forget` another file is taken, and pinned in turn."""
    other = Hub(CONTENT + b"changed")
    with serving(Hub(CONTENT)) as server:
        pull(server, tmp_path)
        library(server, tmp_path).remove("tiny-q4", forget=True)
    with serving(other) as server:
        assert pull(server, tmp_path).sha256 == other.sha256


def test_file_that_is_no_chat_model_is_not_installed(tmp_path: Path) -> None:
    """A sound download of something else is refused by its header."""
    with serving(Hub(gguf({"general.architecture": "bert"}))) as server:
        with pytest.raises(ModelFileError, match="embedding model"):
            pull(server, tmp_path)
        assert library(server, tmp_path).manifest.models() == ()


def test_hub_without_the_file_is_told(tmp_path: Path) -> None:
    """The remedy names what works without a hub."""
    with (
        serving(lambda _: json_reply({}, 404)) as server,
        pytest.raises(ModelError, match="does not give hub:acme") as caught,
    ):
        pull(server, tmp_path)
    assert "smollm2-135m" in str(caught.value.hint)


def test_hub_that_is_down_is_told(tmp_path: Path) -> None:
    """Where nothing listens the ledger says that it failed."""
    with serving(Hub(CONTENT)) as server:
        pass
    with (
        recording_to(tmp_path / "egress.jsonl") as ledger,
        pytest.raises(ModelError, match="does not give"),
    ):
        pull(server, tmp_path)
    assert [e.outcome for e in ledger.entries()] == [Outcome.FAILED]


def test_name_of_another_model_is_not_taken_over(tmp_path: Path) -> None:
    """A pull does not replace a file of one's own that has its name."""
    (tmp_path / "mine.gguf").write_bytes(CONTENT)
    with serving(Hub(CONTENT)) as server:
        library(server, tmp_path).add_file(tmp_path / "mine.gguf", "tiny-q4")
        with pytest.raises(UsageError, match="another model named tiny-q4"):
            pull(server, tmp_path)
