"""Get the files of a data set on a hub one at a time, from Hugging Face's cache if they are there.

Nothing is loaded by a script of the data set, and nothing stays behind that was not in the cache before.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class HubData:
    """A data set at a commit of 40 hex digits."""

    hub_id: str
    revision: str

    def names(self) -> list[str]:
        """Return the paths of all files; with HF_HUB_OFFLINE=1, of those in the cache. Raises ValueError if unknown."""
        from huggingface_hub import HfApi, constants, snapshot_download

        try:
            if constants.HF_HUB_OFFLINE:
                folder = Path(snapshot_download(self.hub_id, repo_type="dataset", revision=self.revision))
                return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
            tree = HfApi().list_repo_tree(self.hub_id, recursive=True, revision=self.revision, repo_type="dataset")
            return [entry.path for entry in tree if hasattr(entry, "size")]
        except _failures() as error:
            self._fail("the list of its files", error)

    def fetch(self, name: str, folder: Path) -> Path:
        """Return the path of a file, in the cache or after a download in `folder`. Raises ValueError that names it."""
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        cached = try_to_load_from_cache(self.hub_id, name, revision=self.revision, repo_type="dataset")
        if isinstance(cached, str):
            return Path(cached)
        try:
            return Path(
                hf_hub_download(self.hub_id, name, repo_type="dataset", revision=self.revision, local_dir=folder)
            )
        except _failures() as error:
            self._fail(name, error)

    def _fail(self, what: str, error: Exception) -> NoReturn:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ValueError(
            f"{what} of the data set {self.hub_id} at {self.revision} did not arrive: {reason}. Run again to go on; "
            "finished shards are kept. Without a connection, set HF_HUB_OFFLINE=1 and HF_HOME to a cache that has it."
        ) from None


def _failures() -> tuple[type[Exception], ...]:
    """Return what a broken connection, a missing file and an offline library raise."""
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError, XetDownloadError

    return HTTPError, LocalEntryNotFoundError, XetDownloadError, ConnectionError, TimeoutError
