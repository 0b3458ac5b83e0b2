"""`models` and `doctor --egress`: what a person does with language models."""

import json
from pathlib import Path

import pytest

from cli.conftest import Cli
from engine.inference.loopback import Hub, json_reply, serving, spoken
from engine.inference.tiny_models import INSTALLED, gguf, install, write_gguf
from issuetrack.engine.inference.llama import shipped_path

REPOSITORY = "acme/tiny-GGUF/Tiny-Q4.gguf"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the data directory; it is empty."""
    monkeypatch.setenv("ISSUETRACK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("ISSUETRACK_CONFIG", str(tmp_path / "config.toml"))
    return tmp_path / "data"


def preferences(data: Path) -> str:
    """Return config.toml."""
    path = data.parent / "config.toml"
    return path.read_text() if path.exists() else ""


def test_list_shows_the_catalogue_and_what_suits_this_machine(
    bare_cli: Cli, data: Path
) -> None:
    """Every model has its licence and size; exactly one is proposed."""
    rows = bare_cli("models", "list", "-o", "json").data
    assert [row["state"] for row in rows].count("suits this machine") == 1
    assert all(row["licence"] and row["size"] and row["memory"] for row in rows)
    assert bare_cli("models").out.startswith("NAME")


def test_pull_from_a_hub_and_what_becomes_of_it(
    bare_cli: Cli, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first model is used at once, is in the list, and its host in the ledger."""
    with serving(Hub(gguf())) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        done = bare_cli("models", "pull", REPOSITORY, "-o", "json")
        port = server.port
    assert "use tiny-q4 from now on" in done.err
    assert preferences(data) == 'chat_model = "tiny-q4"\n'
    (row,) = [
        r
        for r in bare_cli("models", "list", "-o", "json").data
        if r["name"] == "tiny-q4"
    ]
    assert row["state"] == "in use"
    (entry,) = bare_cli("doctor", "--egress", "-o", "json").data
    assert (entry["host"], entry["port"], entry["purpose"], entry["outcome"]) == (
        "127.0.0.1",
        port,
        "pull tiny-q4",
        "contacted",
    )
    assert "pull tiny-q4" in bare_cli("doctor", "--egress").out


def test_second_model_does_not_take_over(bare_cli: Cli, data: Path) -> None:
    """A choice that was made stays until another is made."""
    install(data)
    bare_cli("models", "use", "none")
    bare_cli("models", "pull", INSTALLED)
    assert preferences(data) == 'chat_model = "none"\n'
    bare_cli("models", "use", INSTALLED)
    assert preferences(data) == f'chat_model = "{INSTALLED}"\n'
    bare_cli("models", "remove", INSTALLED)
    assert preferences(data) == ""


def test_file_from_a_stick(bare_cli: Cli, data: Path, tmp_path: Path) -> None:
    """It is copied, checked, and can be run by either llama.cpp."""
    stick = write_gguf(tmp_path / "My-Model.gguf")
    added = bare_cli("models", "add", str(stick), "--context", "600", "-o", "json").data
    assert (added["name"], added["context"]) == ("my-model", 600)
    bare_cli("models", "use", "my-model", "--provider", "llama-cpp-python")
    found = bare_cli("models", "info", "my-model", "-o", "json").data
    assert (found["provider"], found["problem"]) == ("llama-cpp-python", None)
    assert found["path"] == str(data / "models" / "my-model.gguf")


def test_embedding_model_to_chat_with_is_refused(bare_cli: Cli, data: Path) -> None:
    """It is told in a line what it is, and in another what to do."""
    done = bare_cli("models", "add", str(shipped_path()), "--name", "x", code=9)
    assert "is an embedding model (bert) and cannot chat" in done.err
    assert "try: issuetrack models" in done.err


@pytest.mark.parametrize("harm", ["text", "binary", "directory", "gone"])
def test_file_that_is_no_model_is_refused(
    bare_cli: Cli, data: Path, tmp_path: Path, harm: str
) -> None:
    """Whatever it is, there is one line of cause and nothing is left behind."""
    path = tmp_path / "bad.gguf"
    if harm == "directory":
        path.mkdir()
    elif harm != "gone":
        path.write_bytes({"text": b"hello", "binary": b"GGUF\xff\xff\xff\xff"}[harm])
    done = bare_cli("models", "add", str(path), code=9)
    assert done.err.startswith("error: the model file bad.gguf cannot be used")
    assert not (data / "models").exists()


# FAULTS 43
def test_faults_43_swapped_model_is_told_and_the_rest_goes_on(
    bare_cli: Cli, data: Path, tmp_path: Path
) -> None:
    """`doctor` names it, `models info` warns, and other commands do not mind."""
    path = install(data)
    bare_cli("models", "use", INSTALLED)
    path.unlink()
    path.symlink_to(write_gguf(tmp_path / "evil.gguf", {"general.architecture": "x"}))
    checks = {
        row["check"]: row
        for row in bare_cli("doctor", "-o", "json", "--no-input", code=None).data
    }
    swapped = checks[f"model {INSTALLED}"]
    assert (swapped["ok"], "checksum" in swapped["detail"]) == (False, True)
    assert "checksum is wrong" in bare_cli("models", "info", INSTALLED).err
    assert bare_cli("models", "test", INSTALLED, code=9).err.count("checksum") == 1


def test_server_is_added_tried_out_and_removed(bare_cli: Cli, data: Path) -> None:
    """It is not contacted until it is tried; then it is in the ledger."""
    answer = json.dumps({"colour": "red", "warm": True})

    def model_server(request: object) -> object:
        path = getattr(request, "path", "")
        if path == "/v1/models":
            return json_reply({"data": [{"id": "m", "max_model_len": 777}]})
        return spoken(answer) if path.endswith("completions") else json_reply({}, 404)

    with serving(model_server) as server:  # type: ignore[arg-type]
        url = f"{server.url}/v1"
        bare_cli("models", "add", "box", "--url", url)
        assert server.asked == []
        (report,) = bare_cli("models", "test", "box", "-o", "json").data
        assert (report["json_schema"], report["context"]) == (True, 777)
    purposes = {r["purpose"] for r in bare_cli("doctor", "--egress", "-o", "json").data}
    assert purposes == {"model box"}
    assert bare_cli("models", "test", "box", code=9).err.startswith(
        "error: cannot talk"
    )
    bare_cli("models", "remove", "box")


def test_public_server_is_refused_by_name(
    bare_cli: Cli, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent, an admin's command is named, and the ledger says refused."""
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [_public()])
    bare_cli("models", "add", "cloud", "--url", "https://api.openai.com/v1")
    done = bare_cli("models", "test", "cloud", code=9)
    assert "api.openai.com is not on this machine or its private network" in done.err
    assert "inference.allowed_hosts api.openai.com" in done.err
    (entry,) = bare_cli("doctor", "--egress", "-o", "json").data
    assert (entry["host"], entry["outcome"]) == ("api.openai.com", "refused")


def _public() -> tuple[int, int, int, str, tuple[str, int]]:
    return 2, 1, 6, "", ("93.184.215.14", 443)


def test_model_that_is_not_there_is_told(bare_cli: Cli, data: Path) -> None:
    """Each verb says so, and what to type."""
    for verb in ("info", "test", "use", "remove", "pull"):
        done = bare_cli("models", verb, "unheard-of", code=7)
        assert "issuetrack models" in done.err


def test_preferences_that_cannot_be_read_are_told(bare_cli: Cli, data: Path) -> None:
    """A broken config.toml is named and stays as it is."""
    (data.parent / "config.toml").write_text("chat_model = [")
    done = bare_cli("models", "use", "none", code=2)
    assert "config.toml cannot be read" in done.err
    assert preferences(data) == "chat_model = ["
