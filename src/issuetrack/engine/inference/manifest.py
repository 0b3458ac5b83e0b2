"""Which models are on this machine: a small file beside them.

It also keeps the checksum of every hub file at its first use, so that a later download
that differs is refused.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

from issuetrack.engine.errors import ModelError, NotFoundError, UsageError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:
    fcntl = None

FILE = "models.json"
FOLDER = "models"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
RESERVED = {"none", "models.json"}


class ModelKind(StrEnum):
    """What a model does."""

    CHAT = "chat"
    EMBEDDING = "embedding"
    RERANKER = "reranker"


class Provider(StrEnum):
    """What runs a model."""

    LLAMA_CPP = "llama.cpp"
    LLAMA_CPP_PYTHON = "llama-cpp-python"
    SERVER = "server"
    SENTENCE_TRANSFORMERS = "sentence-transformers"


@dataclass(frozen=True)
class InstalledModel:
    """A model that can be used.

    Attributes:
        path: its file or folder, relative to the models' folder if it is in it.
        url: of the server that runs it.
        model: what that server calls it; None for the first that it has.
        key_env: the environment variable that holds the server's key.
        sha256: of the file or folder.
        context: tokens to load it with; None to ask the server.
        source: where it came from.
    """

    name: str
    kind: ModelKind
    provider: Provider
    path: str | None = None
    url: str | None = None
    model: str | None = None
    key_env: str | None = None
    sha256: str | None = None
    bytes: int = 0
    context: int | None = None
    licence: str = ""
    source: str = ""


@dataclass(frozen=True)
class _Content:
    models: tuple[InstalledModel, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)


def checked_name(name: str) -> str:
    """Return a name for a model, if it is one.

    Raises:
        UsageError: it is not.
    """
    if NAME.fullmatch(name) and name not in RESERVED:
        return name
    raise UsageError(
        f"{name!r} is no name for a model",
        "use small letters, digits, dots and dashes, such as llama-server",
    )


def _model(found: Mapping[str, Any]) -> InstalledModel:
    model = InstalledModel(**found)
    return replace(model, kind=ModelKind(model.kind), provider=Provider(model.provider))


class Manifest:
    """The models in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / FILE

    def models(self) -> tuple[InstalledModel, ...]:
        """Return the models, by name.

        Raises:
            ModelError: the file is not one of ours.
        """
        return self._read().models

    def get(self, name: str) -> InstalledModel:
        """Return a model.

        Raises:
            NotFoundError: there is none of that name.
        """
        for model in self.models():
            if model.name == name:
                return model
        raise NotFoundError(
            f"there is no model {name!r} on this machine",
            "issuetrack models list, then: issuetrack models pull NAME",
        )

    def path_of(self, model: InstalledModel) -> Path:
        """Return where the file or folder of a model is."""
        return self.folder / (model.path or "")

    def pin_of(self, source: str) -> str | None:
        """Return the checksum that a source had at its first use."""
        return self._read().pins.get(source)

    def put(self, model: InstalledModel) -> None:
        """Add a model, or change the one of its name; pin what its source gave."""
        with self._alone():
            before = self._read()
            others = [m for m in before.models if m.name != model.name]
            pins = dict(before.pins)
            if model.sha256 and model.source.startswith("hub:"):
                pins.setdefault(model.source, model.sha256)
            models = tuple(sorted([*others, model], key=lambda m: m.name))
            self._write(_Content(models, pins))

    def remove(self, name: str, *, forget: bool = False) -> None:
        """Take a model out.

        Args:
            name: its name.
            forget: also the checksum that its source had at its first use.
        """
        with self._alone():
            before = self._read()
            gone = [m for m in before.models if m.name == name]
            pins = dict(before.pins)
            for model in gone if forget else ():
                pins.pop(model.source, None)
            kept = tuple(m for m in before.models if m.name != name)
            self._write(_Content(kept, pins))

    def _read(self) -> _Content:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return _Content()
        try:
            found = json.loads(text)
            models = tuple(_model(model) for model in found["models"])
            pins = {str(k): str(v) for k, v in found["pins"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"{self._path} cannot be read", f"remove it: {self._path}"
            ) from error
        return _Content(models, pins)

    def _write(self, content: _Content) -> None:
        new = self._path.with_name(f"{FILE}.new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(new, flags, PRIVATE_FILE), "w") as file:
            json.dump(asdict(content), file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from writing during the block."""
        self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        lock = self.folder / f"{FILE}.lock"
        flags = os.O_WRONLY | os.O_CREAT
        with os.fdopen(os.open(lock, flags, PRIVATE_FILE), "w") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
