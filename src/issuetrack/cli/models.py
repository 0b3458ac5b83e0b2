"""`models`: language models, fetched, added, chosen, tried out and removed."""

import os
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command, invoke
from issuetrack.engine.inference.manifest import ModelKind, Provider

if TYPE_CHECKING:
    from issuetrack.engine.inference.library import ModelLibrary
    from issuetrack.engine.inference.manifest import InstalledModel
    from issuetrack.engine.inference.probe import ModelReport

COLUMNS = ("name", "kind", "state", "size", "memory", "licence", "detail")
INSTALLED = ("name", "kind", "provider", "path", "url", "sha256", "context", "source")
REPORT = (
    "name",
    "context",
    "json_schema",
    "first_token",
    "tokens_per_second",
    "dimensions",
)
Name = Annotated[str, typer.Argument(help="The name of a model.")]
ProviderOption = Annotated[
    Provider | None, typer.Option("--provider", help="What runs it.")
]
KindOption = Annotated[ModelKind, typer.Option("--kind", help="What it does.")]
ContextOption = Annotated[
    int | None,
    typer.Option("--context", min=512, help="Tokens of question and answer together."),
]
NewNameOption = Annotated[str | None, typer.Option("--name", help="What to call it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(
        help="Language models: list, fetch, add, choose, try out and remove.",
        rich_markup_mode=None,
    )
    app.add_typer(noun, name="models")
    _register_reading(noun)
    _register_fetching(noun)
    _register_adding(noun)
    _register_choosing(noun)


def _library() -> "ModelLibrary":
    from issuetrack.engine.inference.library import ModelLibrary
    from issuetrack.engine.settings import data_directory

    return ModelLibrary(data_directory(os.environ), os.environ)


def _register_reading(noun: typer.Typer) -> None:
    @command(noun, "list", needs=None, examples="issuetrack models list")
    def list_models(run: Invocation) -> None:
        """List the models on this machine and those that can be fetched."""
        from issuetrack.cli.model_rows import ModelRow, model_rows

        rows = [asdict(row) for row in model_rows(_library(), os.environ)]
        names = [field.name for field in fields(ModelRow)]
        run.show(Result(rows, COLUMNS, fields=names))

    @noun.callback(invoke_without_command=True)
    def default_verb(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            invoke(context, list_models, "list")

    @command(noun, "info", needs=None, examples="issuetrack models info smollm2-135m")
    def info(run: Invocation, name: Name) -> None:
        """Show what is known of one model, and check its file."""
        from issuetrack.cli.facts import facts
        from issuetrack.cli.model_rows import model_details

        data = model_details(_library(), name, os.environ)
        if data["problem"]:
            run.warn(str(data["problem"]))
        run.show(Result(data, tuple(data), table=lambda: facts(data)))

    @command(
        noun,
        "test",
        needs="use models",
        examples="issuetrack models test\nissuetrack models test smollm2-135m",
    )
    def test(
        run: Invocation,
        name: Annotated[
            str | None, typer.Argument(help="A model; without it, those in use.")
        ] = None,
    ) -> None:
        """Try a model out: does it answer, how fast, does it keep to a JSON schema."""
        reports = [asdict(report) for report in _tried(run, name)]
        for report in reports:
            if report["detail"]:
                run.warn(f"{report['name']}: {report['detail']}")
        run.show(Result(reports, REPORT))


def _tried(run: Invocation, name: str | None) -> "Iterator[ModelReport]":
    from issuetrack.engine.inference import registry
    from issuetrack.engine.inference.probe import try_chat, try_embedding
    from issuetrack.engine.settings import data_directory, preferences

    data, hosts = data_directory(os.environ), _allowed_hosts(run)
    if name is None:
        chosen = preferences(os.environ)
        embedding = registry.chosen_embedding_model(chosen, data, hosts)
        yield try_embedding(chosen.embedding_model or "shipped", embedding)
        chat = registry.chosen_chat_model(chosen, data, hosts)
        if chat is not None:
            yield try_chat(chat)
        return
    model = _library().manifest.get(name)
    if model.kind is ModelKind.CHAT:
        yield try_chat(registry.chat_model(model, data, hosts))
    elif model.kind is ModelKind.EMBEDDING:
        yield try_embedding(name, registry.embedding_model(model, data, hosts))
    else:
        yield _scored(model, data)


def _scored(model: "InstalledModel", data: Path) -> "ModelReport":
    from issuetrack.engine.inference import registry
    from issuetrack.engine.inference.probe import ModelReport

    reranker = registry.reranker(model, data)
    near, far = reranker.score("disk full", ["no space left on device", "rain"])
    detail = None if near > far else "it does not tell a near text from a far one"
    return ModelReport(model.name, reranker.fingerprint, detail=detail)


def _allowed_hosts(run: Invocation) -> frozenset[str]:
    """Return the hosts that the workspace allows; none where there is no workspace."""
    if not run.database.exists():
        return frozenset()
    from issuetrack.engine.identity.policies import ALLOWED_HOSTS
    from issuetrack.engine.identity.policy import Permission, authorize
    from issuetrack.engine.inference.registry import host_list

    with run.workspace() as workspace:
        authorize(workspace.actor, Permission.USE_MODELS)
        found = workspace.policies.get(workspace.actor, ALLOWED_HOSTS.name)
    return host_list(str(found.value))


def _register_fetching(noun: typer.Typer) -> None:
    @command(
        noun,
        "pull",
        needs=None,
        examples="issuetrack models pull\nissuetrack models pull smollm2-135m\n"
        "issuetrack models pull Qwen/Qwen3-4B-GGUF/Qwen3-4B-Q4_K_M.gguf",
    )
    def pull(
        run: Invocation,
        name: Annotated[
            str | None,
            typer.Argument(
                help="A name of the catalogue, or OWNER/REPOSITORY/FILE.gguf; "
                "without it, what suits this machine's memory."
            ),
        ] = None,
    ) -> None:
        """Fetch a model and check it; the first one is used from then on."""
        from issuetrack.engine.inference.catalogue import default_for, entry_for
        from issuetrack.engine.inference.memory import total_bytes

        entry = entry_for(name) if name else default_for(total_bytes())
        diagnostics.say(f"{entry.name} from {entry.source} {entry.licence}".strip())
        with diagnostics.progress(f"Fetching {entry.name}", "bytes") as advance:
            model = _library().pull(entry, advance)
        _use_first(model)
        _show_installed(run, model)


def _use_first(model: "InstalledModel") -> None:
    from issuetrack.engine.settings import preferences, set_preference

    if preferences(os.environ).chat_model is None and model.kind is ModelKind.CHAT:
        set_preference(os.environ, "chat_model", model.name)
        diagnostics.say(f"suggestions use {model.name} from now on")


def _show_installed(run: Invocation, model: "InstalledModel") -> None:
    from issuetrack.cli.facts import facts

    data = asdict(model)
    shown = {name: data[name] for name in INSTALLED}
    run.show(Result(data, INSTALLED, table=lambda: facts(shown)))


def _register_adding(noun: typer.Typer) -> None:
    @command(
        noun,
        "add",
        needs=None,
        examples="issuetrack models add /media/usb/model.gguf\n"
        "issuetrack models add llama-server --url http://127.0.0.1:8080/v1\n"
        "issuetrack models add ~/models/bge-small --kind embedding",
    )
    def add(
        run: Invocation,
        what: Annotated[
            str,
            typer.Argument(
                metavar="FILE|FOLDER|NAME",
                help="A GGUF file, a folder of sentence-transformers, or with --url "
                "what to call a server.",
            ),
        ],
        name: NewNameOption = None,
        url: Annotated[
            str | None, typer.Option("--url", help="An OpenAI-compatible server.")
        ] = None,
        model: Annotated[
            str | None, typer.Option("--model", help="What the server calls it.")
        ] = None,
        key_env: Annotated[
            str | None,
            typer.Option("--key-env", help="The variable that holds the server's key."),
        ] = None,
        kind: KindOption = ModelKind.CHAT,
        provider: ProviderOption = None,
        tokens: ContextOption = None,
        reference: Annotated[
            bool, typer.Option("--reference", help="Leave the file where it is.")
        ] = False,
    ) -> None:
        """Add a model from a file, a folder or a server."""
        from issuetrack.engine.inference.library import ServerOptions

        library = _library()
        if url is not None:
            server = ServerOptions(url, model, key_env)
            added = library.add_server(name or what, server, kind, tokens)
        elif kind is not ModelKind.CHAT:
            added = library.add_folder(Path(what).expanduser(), kind, name)
        else:
            added = library.add_file(
                Path(what).expanduser(),
                name,
                copy=not reference,
                provider=provider or Provider.LLAMA_CPP,
                context=tokens,
            )
        _show_installed(run, added)


def _register_choosing(noun: typer.Typer) -> None:
    @command(
        noun,
        "use",
        needs=None,
        examples="issuetrack models use smollm2-135m\nissuetrack models use none",
    )
    def use(
        run: Invocation,
        name: Annotated[
            str, typer.Argument(help="The name of a model, or none for no chat model.")
        ],
        provider: ProviderOption = None,
    ) -> None:
        """Choose the model that writes suggestions, or the one that makes vectors."""
        from issuetrack.engine.settings import NO_MODEL, set_preference

        key, value = "chat_model", name
        if name != NO_MODEL:
            key = _chosen_as(name, provider)
        path = set_preference(os.environ, key, value)
        if key == "embedding_model":
            run.warn("another model makes other vectors: issuetrack index rebuild")
        data = {"preference": key, "value": value, "file": str(path)}
        run.show(Result(data, tuple(data)))

    @command(noun, "remove", needs=None, examples="issuetrack models remove qwen3-4b")
    def remove(
        run: Invocation,
        name: Name,
        forget: Annotated[
            bool,
            typer.Option("--forget", help="Also the checksum of its first download."),
        ] = False,
    ) -> None:
        """Remove a model and its file; a file that was only referred to stays."""
        removed = _library().remove(name, forget=forget)
        _unprefer(name)
        _show_installed(run, removed)


def _chosen_as(name: str, provider: Provider | None) -> str:
    """Return the preference that a model is for, its provider changed if asked for."""
    from issuetrack.engine.errors import UsageError

    library = _library()
    model = library.manifest.get(name)
    if provider is not None:
        library.change_provider(name, provider)
    if model.kind is ModelKind.RERANKER:
        raise UsageError(f"{name} cannot be chosen yet", "choose a chat model")
    return f"{model.kind}_model"


def _unprefer(name: str) -> None:
    """Take a model that is gone out of the preferences."""
    from issuetrack.engine.settings import preferences, set_preference

    chosen = preferences(os.environ)
    for key in ("chat_model", "embedding_model"):
        if getattr(chosen, key) == name:
            set_preference(os.environ, key, None)
