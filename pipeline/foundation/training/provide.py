"""Provide a CLIP as a folder: unpacked from the bundled weights, trained by its recipe, or downloaded from a hub."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.foundation import bundle, hub
from pipeline.runtime import device, threads

if TYPE_CHECKING:
    from pipeline.params import FoundationClip


def provide_clip(settings: "FoundationClip", bundled: Path, out: Path, work: Path) -> None:
    """Write the open_clip folder `out` as the settings say.

    `bundled` is the folder of the bundled weights, `work` keeps checkpoints and unfinished downloads.
    """
    match settings.source:
        case "bundled":
            bundle.unpack(bundled / bundle.CLIP, out)
        case "train":
            from pipeline.foundation.training import sources

            sources.clip_by_recipe(settings.recipe, out, work, device(), threads())
        case "hub":
            assert settings.hub_id is not None
            assert settings.hub_revision is not None
            hub.download(settings.hub_id, settings.hub_revision, out, work, "open_clip_config.json")
