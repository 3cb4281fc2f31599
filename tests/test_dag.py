"""dvc.yaml, the code of the stages, their imports and params.yaml say the same."""

import shutil
from collections import deque
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from evoke.dag import differences, stage_items
from evoke.preset import load_preset
from pipeline.closure import PLUMBING, used_parts
from pipeline.params import Params, default_values, read_yaml

ROOT = Path(__file__).parents[1]
DVC: dict[str, Any] = read_yaml(ROOT / "dvc.yaml")
STAGES: dict[str, Any] = DVC["stages"]
BELOW_THE_FILTER = {
    "caption_filter",
    "emoart_funnel",
    "caption_prompts",
    "coemogen",
    "images",
    "scores",
    "content",
    "grids",
    "truth_checks",
    "summary",
    "report",
}
PARAMS: dict[str, Any] = read_yaml(ROOT / "params.yaml")


def body(name: str) -> dict[str, Any]:
    found: dict[str, Any] = STAGES[name].get("do", STAGES[name])
    return found


def paths(name: str, *keys: str) -> set[str]:
    """Paths of the lists of a stage; ${item} stays."""
    entries = [entry for key in keys for entry in body(name).get(key, [])]
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def reruns(section: str) -> set[str]:
    """The stages that a change in a section of params.yaml reruns, any item of them: that name it, and all below."""
    nodes = [(name, item) for name in STAGES for item in stage_items(STAGES[name], PARAMS)]
    waiting = deque(node for node in nodes if section in body(node[0]).get("params", []))
    found: set[tuple[str, str]] = set()
    while waiting:
        node = waiting.popleft()
        if node not in found:
            found.add(node)
            outs = expanded(*node, "outs", "metrics", "plots")
            waiting.extend(other for other in nodes if meets(outs, expanded(*other, "deps")))
    return {name for name, _ in found}


def meets(outs: set[str], deps: set[str]) -> bool:
    """Whether an out is a dep, or lies in a folder that is one, as DVC ties stages."""
    return any(f"{out}/".startswith(f"{dep}/") for out in outs for dep in deps)


def expanded(name: str, item: str, *keys: str) -> set[str]:
    """As `paths`, for one item, with values of params.yaml filled in."""
    return {_filled(path.replace("${item}", item)) for path in paths(name, *keys)}


def _filled(path: str) -> str:
    path = path.replace("${corpus}", PARAMS["corpus"])
    for section, values in PARAMS.items():
        for key, value in values.items() if isinstance(values, dict) else ():
            path = path.replace(f"${{{section}.{key}}}", str(value))
    return path


def test_dvc_yaml_agrees_with_the_code() -> None:
    assert differences(STAGES, ROOT) == []


def test_every_section_of_params_is_a_stage_or_runs_through_all() -> None:
    assert set(Params.model_fields) - set(STAGES) <= {"seed", "corpora", "corpus", "methods", "foundation_folders"}


@pytest.mark.parametrize(
    ("preset", "absent"),
    [
        ("miniature", {"textual_inversion", "dreambooth", "emogen"}),
        ("full", set()),
        ("paper", {"miniature", "truth_checks"}),
    ],
)
def test_dvc_expands_the_dag_of_every_scale(tmp_path: Path, preset: str, absent: set[str]) -> None:
    from dvc.repo import Repo

    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    values = load_preset(preset, ROOT / "presets").applied_to(default_values())
    with (tmp_path / "params.yaml").open("w") as file:
        YAML().dump(values, file)
    with Repo.init(str(tmp_path), no_scm=True) as repo:
        names = {stage.addressing.split("/")[-1].split(":")[-1].split("@")[0] for stage in repo.index.stages}
    assert names == set(STAGES) - absent


def test_a_change_of_the_filter_reruns_the_filter_and_what_hangs_below() -> None:
    assert reruns("caption_filter") == BELOW_THE_FILTER


def test_a_change_of_the_captions_leaves_features_and_foundation() -> None:
    assert reruns("captions") == {"captions", "caption_features"} | BELOW_THE_FILTER


def test_the_report_is_below_every_stage_that_makes_images_numbers_or_plots_whatever_params_list() -> None:
    kept = ("metrics/", "plots/", "data/images/")
    shown = {name: {out for out in paths(name, "outs", "metrics", "plots") if out.startswith(kept)} for name in STAGES}
    assert len([name for name in STAGES if shown[name]]) > 20
    assert all(meets({out}, paths("report", "deps")) for outs in shown.values() for out in outs)
    assert set(body("report")["params"]) == set(Params.model_fields)


def test_metrics_stay_in_git_and_dvc_shows_the_summary_alone() -> None:
    entries = [entry for name in STAGES for entry in (*body(name).get("outs", []), *body(name).get("metrics", []))]
    kept = {path: options for entry in entries if isinstance(entry, dict) for path, options in entry.items()}
    assert set(kept) == {path for name in STAGES for path in paths(name, "outs", "metrics") if "metrics/" in path}
    assert all(options == {"cache": False} for options in kept.values())
    assert [entry for name in STAGES for entry in body(name).get("metrics", [])] == [
        {"metrics/summary.json": {"cache": False}}
    ]


def test_every_plot_and_model_that_dvc_lists_is_an_out_of_a_stage() -> None:
    outs = [path.replace("${item}", "*") for name in STAGES for path in paths(name, "outs")]
    drawn = [path for plot in DVC["plots"] for properties in plot.values() for path in properties["y"]]
    for path in drawn + [model["path"] for model in DVC["artifacts"].values()]:
        assert any(_in_folder(path, out) for out in outs), path


def _in_folder(path: str, folder: str) -> bool:
    depth = len(Path(folder).parts)
    return fnmatch("/".join(Path(path).parts[:depth]), folder)


def test_the_plumbing_is_there_and_no_dependency() -> None:
    assert all((ROOT / path).is_file() for path in PLUMBING)
    code = [used_parts(ROOT, path.relative_to(ROOT)) for path in (ROOT / "stages").glob("*.py")]
    assert not any(PLUMBING & {file.as_posix() for file in files} for files in code)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / (name.replace("__init__", "INIT").replace("__", "/").replace("INIT", "__init__") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_closure_follows_every_form_of_import(tmp_path: Path) -> None:
    write(
        tmp_path,
        stages__a="import json\nfrom pipeline.b import c, function\nfrom pipeline.stage import Run\n"
        "def main():\n    return c.f, function, Run, json\n",
        pipeline__stage="from pipeline import never\nRun = never.x\n",
        pipeline__never="x = 1\n",
        pipeline__b__c="def f():\n    import pipeline.d\n    return pipeline.d.x, pipeline.d.y\n",
        pipeline__d="from .e import x\nfrom . import f\ny = f.x\n",
        pipeline__e="import torch, pipeline.a_cycle\nx = pipeline.a_cycle.x\n",
        pipeline__a_cycle="import pipeline.d\nx = 1\n",
        pipeline__f="x = 1\n",
        pipeline__unused="x = 1\n",
    )
    (tmp_path / "pipeline/__init__.py").write_text('"""Only a docstring."""\n')
    (tmp_path / "pipeline/b/__init__.py").write_text("from pipeline.g import function\n")
    (tmp_path / "pipeline/g.py").write_text("function = 1\n")
    names = ["a_cycle", "b/__init__", "b/c", "d", "e", "f", "g"]
    found = used_parts(tmp_path, Path("stages/a.py"))
    assert [path.as_posix() for path in found] == [*(f"pipeline/{name}.py" for name in names), "stages/a.py"]
