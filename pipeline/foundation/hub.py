"""Get foundation models from a model hub, at a pinned revision only, or from a local folder, in the formats we load.

A hub model goes through Hugging Face's own cache: what has arrived stays there, a cache that was filled elsewhere is
enough with HF_HUB_OFFLINE=1, and several commands share one download.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
DUPLICATES = ["*.fp16.*", "*.non_ema.*", "*pruned*", "safety_checker/*", "onnx/*", ".*"]


def download(hub_id: str, revision: str, out: Path, wanted: str) -> None:
    """Copy a hub model at a revision of 40 hex digits into the folder `out`. Raises ValueError as `cached` does."""
    copy(cached(hub_id, revision, wanted), out, wanted)


def cached(hub_id: str, revision: str, wanted: str) -> Path:
    """Return the folder of a hub model in Hugging Face's cache, downloading what is missing there.

    Raises ValueError, which names the model and a missing file, if it is neither there nor can be downloaded, and if it
    is in another format: without the file `wanted`, or without safetensors.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError, XetDownloadError

    failures = (HTTPError, LocalEntryNotFoundError, XetDownloadError, ConnectionError, TimeoutError)
    try:
        folder = Path(snapshot_download(hub_id, revision=revision, allow_patterns=FILES, ignore_patterns=DUPLICATES))
    except failures as error:  # a broken connection is an HTTPError, which is no OSError
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise ValueError(
            f"the model {hub_id} at {revision} {_missing(hub_id, revision)}: {reason}. Run again to go on; files that "
            "have arrived are kept. Without a connection, set HF_HUB_OFFLINE=1 and HF_HOME to a cache that has it, or "
            "give a folder that holds it."
        ) from None
    _check(folder, wanted, f"the hub model {hub_id}")
    return folder


def copy(folder: Path, out: Path, wanted: str) -> None:
    """Copy the files of a model that are loaded into the folder `out`; links become files, pickles stay behind.

    Raises ValueError if the folder is absent or in another format, as in `cached`, or if it lacks a weights file.
    """
    _check(folder, wanted, str(folder))
    for name in _loaded(path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / name, out / name)


def _check(folder: Path, wanted: str, name: str) -> None:
    for file in (wanted, "**/*.safetensors"):
        if not any(path.is_file() for path in folder.glob(file)):
            raise ValueError(f"{name} has no {file}; choose a model in that format")
    for index in _loaded(path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.index.json"))):
        parts = json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"].values()
        for part in sorted(set(parts)):
            if part.endswith(".safetensors") and not (folder / index).with_name(part).is_file():
                raise ValueError(f"{name} has no {part}, which its {index} lists; complete it and run again")


def _loaded(names: Iterator[str]) -> list[str]:
    """Return those of a model's files that are loaded."""
    from huggingface_hub.utils import filter_repo_objects

    return list(filter_repo_objects(names, allow_patterns=FILES, ignore_patterns=DUPLICATES))


def _missing(hub_id: str, revision: str) -> str:
    """Return what of a model is not in the cache, as far as its list of files has arrived."""
    from huggingface_hub import get_cached_repo_tree, try_to_load_from_cache
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        names = _loaded(file.path for file in get_cached_repo_tree(hub_id, revision=revision))
    except CachedRepoTreeNotFoundError:
        return "is not in Hugging Face's cache, and its list of files did not arrive"
    missing = [name for name in names if not isinstance(try_to_load_from_cache(hub_id, name, revision=revision), str)]
    return f"is not whole: {', '.join(missing[:3])} did not arrive ({len(missing)} of {len(names)} files)"
