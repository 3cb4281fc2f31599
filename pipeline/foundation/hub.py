"""Download foundation models from a model hub, at a pinned revision only and in the formats the pipeline loads."""

import shutil
from pathlib import Path

from pipeline.work import place

HUB_FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
HUB_DUPLICATES = ["*.fp16.*", "*.non_ema.*", "*pruned*", "safety_checker/*", "onnx/*"]


def download(hub_id: str, revision: str, out: Path, work: Path, wanted: str) -> None:
    """Download a hub repository at a revision of 40 hex digits into the folder `out`.

    `work` keeps the files that have arrived if the download is interrupted. Raises ValueError if the connection breaks,
    or if the repository has no file `wanted` or no safetensors, which means that it uses another format.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HTTPError  # a broken connection does not raise an OSError

    arrived = work / "hub"
    try:
        snapshot_download(
            hub_id, revision=revision, local_dir=str(arrived), allow_patterns=HUB_FILES, ignore_patterns=HUB_DUPLICATES
        )
    except HTTPError as error:
        raise ValueError(f"hub_id = {hub_id!r}: {error}. Run again to resume; downloaded files are kept.") from None
    for file in (wanted, "**/*.safetensors"):
        if not any(arrived.glob(file)):
            raise ValueError(f"hub_id = {hub_id!r}: the repository has no {file}; choose one in that format")
    shutil.rmtree(arrived / ".cache", ignore_errors=True)  # the hub's own metadata, which contains timestamps
    place(arrived, out)
