"""What is told of models: a line each, or everything of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from issuetrack.engine.errors import NotFoundError
from issuetrack.engine.inference.catalogue import (
    CATALOGUE,
    CatalogueEntry,
    default_for,
    entry_for,
)
from issuetrack.engine.inference.memory import total_bytes
from issuetrack.engine.settings import Preferences, preferences

if TYPE_CHECKING:
    from issuetrack.engine.inference.library import ModelLibrary
    from issuetrack.engine.inference.manifest import InstalledModel

UNITS = ("B", "kB", "MB", "GB")
STEP = 1000


@dataclass(frozen=True)
class ModelRow:
    """One model, on this machine or in the catalogue.

    Attributes:
        state: in use, here, or what `models pull` would fetch.
        size: of its file.
        sha256: of its file; None where only the hub knows it.
        memory: what it takes of it when it is loaded.
    """

    name: str
    kind: str
    provider: str
    state: str
    parameters: str
    bytes: int
    size: str
    memory: str
    context: int | None
    licence: str
    source: str
    sha256: str | None
    detail: str


def in_units(size: int) -> str:
    """Return a number of bytes as a person reads it."""
    number = float(size)
    for unit in UNITS:
        if number < STEP or unit == UNITS[-1]:
            break
        number /= STEP
    return f"{number:.1f} {unit}" if size else ""


def _known(name: str) -> CatalogueEntry | None:
    return next((entry for entry in CATALOGUE if entry.name == name), None)


def _in_use(name: str, chosen: Preferences) -> bool:
    return name in (chosen.chat_model, chosen.embedding_model)


def _installed_row(model: "InstalledModel", chosen: Preferences) -> ModelRow:
    entry = _known(model.name)
    return ModelRow(
        name=model.name,
        kind=model.kind,
        provider=model.provider,
        state="in use" if _in_use(model.name, chosen) else "here",
        parameters=entry.parameters if entry else "",
        bytes=model.bytes,
        size=in_units(model.bytes),
        memory=in_units(entry.ram) if entry else "",
        context=model.context,
        licence=model.licence,
        source=model.source,
        sha256=model.sha256,
        detail=entry.about if entry else (model.url or model.path or ""),
    )


def _catalogue_row(entry: CatalogueEntry, default: CatalogueEntry) -> ModelRow:
    return ModelRow(
        name=entry.name,
        kind="chat",
        provider="llama.cpp",
        state="suits this machine" if entry is default else "",
        parameters=entry.parameters,
        bytes=entry.bytes,
        size=in_units(entry.bytes),
        memory=in_units(entry.ram),
        context=entry.context,
        licence=entry.licence,
        source=str(entry.source),
        sha256=entry.sha256,
        detail=entry.about,
    )


def model_rows(
    library: "ModelLibrary", environment: Mapping[str, str]
) -> list[ModelRow]:
    """Return the models on this machine, then those of the catalogue that are not."""
    chosen = preferences(environment)
    installed = library.manifest.models()
    here = {model.name for model in installed}
    default = default_for(total_bytes())
    rows = [_installed_row(model, chosen) for model in installed]
    return rows + [_catalogue_row(e, default) for e in CATALOGUE if e.name not in here]


def model_details(
    library: "ModelLibrary", name: str, environment: Mapping[str, str]
) -> dict[str, Any]:
    """Return everything known of one model; `problem` says why it cannot be used.

    Raises:
        NotFoundError: neither this machine nor the catalogue has it.
    """
    try:
        model = library.manifest.get(name)
    except NotFoundError:
        entry = entry_for(name)
        row = _catalogue_row(entry, default_for(total_bytes()))
        return vars(row) | {"path": None, "url": None, "problem": None}
    row = _installed_row(model, preferences(environment))
    found = library.usable(model)
    where = str(library.manifest.path_of(model)) if model.path else None
    return vars(row) | {
        "path": where,
        "url": model.url,
        "problem": found and found.message,
    }
