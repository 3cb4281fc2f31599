"""`evoke plan`: the table, its sums and its notes, of this repository and of a preset."""

import csv
import io
import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from evoke.cli import main
from evoke.plan.command import made_folders
from pipeline.params import ParamsError, load_params, read_yaml
from pipeline.runtime import cpu_name

ROOT = Path(__file__).parents[2]
REVISION = "1" * 40


@pytest.fixture(autouse=True)
def _repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVOKE_DEVICE", "cpu")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, name)
    shutil.copytree(ROOT / "presets", "presets")
    Path("models").mkdir()
    Path("models/miniature").symlink_to(ROOT / "models/miniature")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["plan", *arguments])


def rows(*arguments: str) -> dict[str, dict[str, str]]:
    result = run(*arguments, "--csv")
    assert result.exit_code == 0, result.output
    return {row["stage"]: row for row in csv.DictReader(io.StringIO(result.output))}


@cache
def paper_on_h200() -> str:
    return run("--preset", "paper", "--device", "h200").output


def test_the_plan_in_the_documents_is_todays() -> None:
    shown = (ROOT / "docs/SCALE.md").read_text().split("```\nstage  ")[1].split("```")[0].splitlines()[1:]
    lines = [line for line in shown if line and not line.startswith("  (")]
    assert len(lines) > 15
    assert set(lines) <= set(paper_on_h200().splitlines())


def test_of_params_yaml_it_is_the_miniature_on_this_machine() -> None:
    text = run().output
    assert text.startswith("params.yaml, on one CPU\n")
    assert "captions@emoset" in text
    assert "EmoSet: 6,000 images, drawn, set in params.yaml" in text
    assert f"this machine: {cpu_name()}, one thread; GFLOP/s in a probe of products and convolutions" in text
    assert "downloads: none" in text


def test_a_preset_is_planned_and_nothing_written() -> None:
    before = Path("params.yaml").read_bytes()
    text = run("--preset", "paper", "--device", "h200", "--gpus", "8").output
    assert text.startswith("params.yaml with the preset paper, on 8 NVIDIA H200\n")
    assert "EmoSet: 118,102 images, published (data/emoset118k does not exist)" in text
    assert "Qwen/Qwen2.5-VL-7B-Instruct is not downloaded: assumed architecture Qwen2.5-VL-7B" in text
    assert "40% of the peak, target: torchtitan" in text
    assert Path("params.yaml").read_bytes() == before


@pytest.mark.slow
def test_the_desk_takes_an_afternoon_and_a_card_of_12_gb() -> None:
    found = rows("--preset", "desk", "--device", "rtx4090")
    assert found["features@emoset"]["number"] == "8000"
    assert sum(float(row["hours"]) for row in found.values()) < 3
    assert 4e9 < max(float(row["memory_bytes"]) for row in found.values()) < 12e9


@pytest.mark.slow
def test_the_desk_s_xl_fits_a_card_of_24_gb() -> None:
    found = rows("--preset", "desk-xl", "--device", "rtx4090")
    assert found["coemogen@emoset"]["number"] == "4000"
    assert 16e9 < max(float(row["memory_bytes"]) for row in found.values()) < 24e9


def test_the_sums_are_those_of_the_lines() -> None:
    found = rows("--preset", "paper", "--device", "h200")
    text = paper_on_h200()
    hours = sum(float(row["hours"]) for row in found.values())
    stays = sum(float(row["bytes"]) for row in found.values())
    assert f"total: {hours:.2f} hours if stages run one after the other" in text
    assert f"disk: {stays / 1e9:.3g} GB of outputs" in text
    assert "downloads: 70.8 GB, of which 37 GB for emoart@emoart" in text
    assert found["coemogen@emoset"]["gpus"] == "1"


def test_what_params_say_is_what_is_planned() -> None:
    text = Path("params.yaml").read_text().replace("num_per_emotion: 32", "num_per_emotion: 64")
    Path("params.yaml").write_text(text)
    assert rows()["images@uniemo_joint"]["number"] == "512"


def test_a_downloaded_model_counts_where_it_is_of_these_params() -> None:
    values: dict[str, Any] = read_yaml(Path("params.yaml"))
    section = {"source": "hub", "hub_id": "somebody/clip", "hub_revision": REVISION}
    params = load_params(Path("params.yaml"))
    params = params.model_copy(update={"foundation_clip": params.foundation_clip.model_copy(update=section)})
    folder = Path("models/foundation/clip")
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text("{}")
    assert made_folders(params) == {}
    noted = {"params": {"params.yaml": {"foundation_clip": values["foundation_clip"] | section}}}
    Path("dvc.lock").write_text(json.dumps({"stages": {"foundation_clip": noted}}))
    assert made_folders(params) == {"foundation_clip": folder}
    assert made_folders(load_params(Path("params.yaml"))) == {}


def test_a_model_of_ones_own_is_counted_in_its_folder(tmp_path: Path) -> None:
    params, folder = load_params(Path("params.yaml")), tmp_path / "mine"
    own = {
        "foundation_clip": params.foundation_clip.model_copy(update={"source": "folder"}),
        "foundation_folders": params.foundation_folders.model_copy(update={"clip": str(folder)}),
    }
    with pytest.raises(click.ClickException, match=r"foundation_folders.clip = .*mine': there is no such folder"):
        made_folders(params.model_copy(update=own))
    folder.mkdir()
    assert made_folders(params.model_copy(update=own)) == {"foundation_clip": folder}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--device", "h2000"), "Error: --device h2000: unknown device; allowed are cpu, h200"),
        (
            ("--preset", "papers"),
            "Error: there is no preset 'papers'; the presets are desk, desk-xl, full, miniature, paper, paper-literal, "
            "paper-xl, smoke, xl",
        ),
        (("--device", "cpu", "--gpus", "2"), "Error: --gpus 2: allowed is a number >= 1, and only 1 with --device cpu"),
    ],
)
def test_what_a_user_can_mend_is_one_line(arguments: tuple[str, ...], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.output.startswith(told)
    assert result.output.count("\n") == 1


def test_wrong_params_are_told_before_anything_is_counted() -> None:
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("seed: 0", "seed: -1", 1))
    result = run()
    assert result.exit_code == 1
    assert "seed" in result.output
    assert isinstance(result.exception, SystemExit | ParamsError)
