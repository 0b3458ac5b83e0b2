"""Fetches a file from the Hugging Face hub, or from a mirror of it.

The hub states the SHA-256 of every large file (git-lfs); what arrives must have it.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issuetrack.engine.egress import Outcome, record_url
from issuetrack.engine.errors import ModelError, ModelFileError
from issuetrack.engine.inference.catalogue import HubSource
from issuetrack.engine.inference.llama_server import checksum

Advance = Callable[[int, int], None]
SHA256 = re.compile(r"[0-9a-f]{64}")
AGAIN = "run the same command again; it goes on from where it was"


@dataclass(frozen=True)
class HubFile:
    """What the hub states of a file.

    Attributes:
        url: where it is asked for.
        location: where the hub sends one to.
    """

    url: str
    location: str
    size: int
    sha256: str


def _told(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def look_up(source: HubSource, endpoint: str | None, purpose: str) -> HubFile:
    """Ask the hub for the size and the checksum of a file.

    Args:
        source: the file.
        endpoint: the hub to ask; None for the public one.
        purpose: what for, for the egress ledger.

    Raises:
        ModelError: the hub is not reached, does not have it, or states no checksum.
    """
    import httpx2
    from huggingface_hub import close_session, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    url = hf_hub_url(source.repository, source.file, endpoint=endpoint)
    try:
        found = get_hf_file_metadata(url, endpoint=endpoint)
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        refused = isinstance(error, HfHubHTTPError)
        record_url(url, purpose, Outcome.CONTACTED if refused else Outcome.FAILED)
        raise ModelError(
            f"the hub does not give {source}: {_told(error)}",
            "check the network, HF_ENDPOINT and HTTPS_PROXY; without a hub: "
            "issuetrack models pull smollm2-135m, or models add FILE",
        ) from error
    finally:
        close_session()
    record_url(url, purpose, Outcome.CONTACTED)
    if found.size is None or not SHA256.fullmatch(found.etag or ""):
        raise ModelError(
            f"the hub states no checksum for {source}",
            "fetch it by hand and check it, then: issuetrack models add FILE",
        )
    return HubFile(url, found.location, found.size, str(found.etag))


class _Watched(io.FileIO):
    """A file that tells how long it is after each write."""

    def __init__(self, path: Path, total: int, advance: Advance) -> None:
        super().__init__(path, "ab")
        self._total = total
        self._advance = advance

    def write(self, data: Any) -> int:
        written = super().write(data)
        self._advance(self.tell(), self._total)
        return written


def fetch(file: HubFile, part: Path, advance: Advance, purpose: str) -> None:
    """Fetch a file, from where an earlier attempt broke off.

    Args:
        file: as the hub states it.
        part: the file to write; what is there already is kept.
        advance: told how many bytes there are, and of how many.
        purpose: what for, for the egress ledger.

    Raises:
        ModelError: it breaks off again; what came is kept.
        ModelFileError: what came has another checksum; it is removed.
    """
    import httpx2
    from huggingface_hub import close_session
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    outcome = Outcome.FAILED
    try:
        with _Watched(part, file.size, advance) as target:
            http_get(
                file.url,
                target,
                resume_size=min(target.tell(), file.size),
                headers=build_hf_headers(),
                expected_size=file.size,
            )
        outcome = Outcome.CONTACTED
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        raise ModelError(f"the download broke off: {_told(error)}", AGAIN) from error
    finally:
        close_session()
        record_url(file.location, purpose, outcome)
    if checksum(part) != file.sha256:
        part.unlink()
        raise ModelFileError(
            part, "what came is not what the hub states (checksum)", AGAIN
        )
