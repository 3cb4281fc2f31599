"""Foundation models from a model hub, at a pinned revision only and in the formats that the pipeline loads."""

import shutil
from pathlib import Path

HUB_FILES = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
HUB_DUPLICATES = ["*.fp16.*", "*.non_ema.*", "*pruned*", "safety_checker/*", "onnx/*"]


def download(hub_id: str, revision: str, out: Path, wanted: str) -> None:
    """A hub repository at a revision of 40 hex digits. ValueError if it lacks the file `wanted`: it has another
    format.
    """
    from huggingface_hub import snapshot_download

    snapshot_download(
        hub_id, revision=revision, local_dir=str(out), allow_patterns=HUB_FILES, ignore_patterns=HUB_DUPLICATES
    )
    shutil.rmtree(out / ".cache", ignore_errors=True)  # the hub's own notes, which hold times
    if not (out / wanted).is_file():
        raise ValueError(f"hub_id = {hub_id!r}: has no {wanted}; choose a repository in that format")
