"""One checksum for all files of a model that is a folder."""

import hashlib
from pathlib import Path

from issuetrack.engine.errors import ModelFileError
from issuetrack.engine.inference.llama_server import checksum

MOST_FILES = 1000


def folder_checksum(folder: Path) -> str:
    """Return the SHA-256 of a folder: of the names and checksums of its files.

    Raises:
        ModelFileError: it is no folder of a model.
    """
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    if not paths or len(paths) > MOST_FILES:
        raise ModelFileError(
            folder, "it is no folder of a model", "give a folder with its files"
        )
    digest = hashlib.sha256()
    for path in paths:
        name = path.relative_to(folder).as_posix()
        digest.update(f"{checksum(path)} {name}\n".encode())
    return digest.hexdigest()
