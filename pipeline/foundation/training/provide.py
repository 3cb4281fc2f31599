"""Provide a CLIP as a folder: unpacked, trained by its recipe, downloaded from a hub, or copied from a folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.foundation import bundle, hub
from pipeline.foundation.clip import CONFIG
from pipeline.runtime import device, threads

if TYPE_CHECKING:
    from pipeline.params import FoundationClip


def provide_clip(settings: "FoundationClip", given: Path, out: Path, work: Path) -> None:
    """Write the open_clip folder `out` as the settings say.

    `given` is the folder of the bundled weights or, for source folder, an open_clip folder; `work` keeps checkpoints.
    """
    match settings.source:
        case "bundled":
            bundle.unpack(given / bundle.CLIP, out)
        case "train":
            from pipeline.foundation.training import sources

            sources.clip_by_recipe(settings.recipe, out, work, device(), threads())
        case "hub":
            assert settings.hub_id is not None
            assert settings.hub_revision is not None
            hub.download(settings.hub_id, settings.hub_revision, out, CONFIG)
        case "folder":
            hub.copy(given, out, CONFIG)
