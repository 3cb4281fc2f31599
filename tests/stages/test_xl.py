"""Every stage that meets the base, with the presets smoke and xl: from the drawn EmoSet to images of every method."""

import importlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from safetensors.torch import load_file

from evoke.preset import apply_preset, load_preset
from pipeline.foundation.training import widened
from tests.repository import ROOT, enter_repository

BEFORE = (
    "miniature emoset", "foundation_clip", "foundation_diffusion", "foundation_captioner", "foundation_vit",
    "emoset emoset",
    "features emoset", "emotion_classifier", "judges", "captions emoset", "caption_features emoset",
    "caption_filter emoset", "correlation", "latents emoset", "stable_diffusion", "textual_inversion emoset",
    "dreambooth emoset", "emogen emoset", "coemogen emoset", "uniemo_understanding", "uniemo_joint",
)  # fmt: skip
METHODS = ("stable_diffusion", "textual_inversion", "dreambooth", "emogen", "coemogen_emoset", "uniemo_joint")
AFTER = (
    "grids coemogen_emoset",
    "real_scores",
    "scores uniemo_joint",
    "feedback",
    "uniemo_feedback",
    "images uniemo_feedback",
)
WIDTH = 128 + 160  # of the token embeddings of both encoders


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("repository")
    with pytest.MonkeyPatch.context() as patch:
        enter_repository(patch, folder)
        patch.setattr(widened, "world_texts", partial(widened.world_texts, num_images=60))  # as `xl_models`: seconds
        for name in ("models/miniature", "models/pretrained", "data/overrides", "data/imports", "emotions.yaml"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).symlink_to(ROOT / name)
        (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
        for preset in ("smoke", "xl"):
            apply_preset(folder / "params.yaml", load_preset(preset, ROOT / "presets"), {})
        for unit in (*BEFORE, *(f"images {method}" for method in METHODS), *AFTER):
            stage, _, item = unit.partition(" ")
            main = importlib.import_module(f"stages.{stage}").main
            result = CliRunner().invoke(main, ["--item", item] if item else [], catch_exceptions=False)
            assert result.exit_code == 0, f"{unit}: {result.output}"
        yield folder


def test_the_base_is_xl_and_every_method_draws_on_it(made: Path) -> None:
    index = json.loads((made / "models/foundation/diffusion/model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionXLPipeline"
    counts = {method: len(pq.read_table(made / "data/images" / method)) for method in (*METHODS, "uniemo_feedback")}
    assert len(set(counts.values())) == 1
    assert min(counts.values()) >= 6
    assert json.loads((made / "metrics/scores/uniemo_joint.json").read_text())["n"] == counts["uniemo_joint"]
    assert {path.name for path in (made / "plots/grids/coemogen_emoset").iterdir()} >= {"transfer.png", "fusion.png"}


def test_what_is_trained_feeds_both_text_encoders(made: Path) -> None:
    weights = {name: load_file(made / f"models/{name}/weights.safetensors") for name in METHODS[1:]}
    assert weights["textual_inversion"]["words"].shape[1] == WIDTH
    assert weights["emogen"]["mapper.2.weight"].shape[0] == WIDTH
    assert weights["coemogen_emoset"]["embedding.mapper.layers.2.weight"].shape[0] == WIDTH
    assert weights["uniemo_joint"]["fusion.phis.class.2.weight"].shape[0] == WIDTH
    assert all("lora_" in name for name in weights["dreambooth"])
