"""Every test: hypothesis without a deadline, as the machine may be busy; one thread; offline; the bundled models."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline.runtime import forbid_downloads

settings.register_profile("evoke", deadline=None)
settings.load_profile("evoke")
os.environ.setdefault("EVOKE_THREADS", "1")  # pytest-xdist already keeps every core busy
forbid_downloads()  # before any test imports the libraries, as each command does before it imports them

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `foundation` with the bundled miniature CLIP and Stable Diffusion, as the DAG lays them out."""
    import torch

    from pipeline.foundation import bundle

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models") / "foundation"
    bundle.unpack(ROOT / "models/miniature/clip" / bundle.CLIP, folder / "clip")
    work = tmp_path_factory.mktemp("work")
    bundle.unpack_diffusion(ROOT / "models/miniature/diffusion", folder / "clip", folder / "diffusion", work)
    return folder.parent


@pytest.fixture(scope="session")
def xl_models(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the Stable Diffusion in the format of Stable Diffusion XL."""
    from pipeline.foundation.training import widened

    folder = tmp_path_factory.mktemp("xl_models") / "foundation"
    folder.mkdir()
    (folder / "clip").symlink_to(models / "foundation/clip")
    ids = widened.world_texts(folder / "clip", 1, num_images=60)
    widened.widen(models / "foundation/diffusion", folder / "clip", ids, folder / "diffusion")
    return folder.parent
