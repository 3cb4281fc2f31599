"""`evoke table`: ours beside the papers' on metrics made by hand."""

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from evoke.cli import main
from evoke.corpus.params import with_corpora
from evoke.preset import apply_preset, laid_over, load_preset
from evoke.wide import LATEX
from pipeline.params import read_yaml
from pipeline.report.papers import TableName, load_papers
from pipeline.report.tables import number

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", "params.yaml")
    apply_preset(Path("params.yaml"), load_preset("full", ROOT / "presets"), {})  # with the baselines


def measure(key: str, value: float, published: bool = False) -> dict[str, Any]:
    ends = {f"{key}/low": 0.9 * value, f"{key}/high": 1.1 * value, f"{key}/n": 256, f"real/{key}": 2 * value}
    return {key: value, **ends, f"{key}/as_published": published, f"real/{key}/as_published": published}


def write(path: str, values: Any) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(values))


def write_scores(method: str = "coemogen_emoset", **more: Any) -> None:
    emo_a = {"emo_a/classifier": 0.9, "emo_a/classifier/low": 0.85, "emo_a/classifier/high": 0.95}
    found = emo_a | {"emo_a/judge": 0.8, "emo_a/judge/low": 0.7, "emo_a/judge/high": 0.9, "n": 256,
                     "real/emo_a/classifier": 0.82, "real/emo_a/judge": 0.79}  # fmt: skip
    found |= measure("fid/clip_miniature/clean", 20.0) | measure("fid/judge_small/clean", 31.0)
    found |= measure("sem_d_mse/clip_miniature/clean", 0.01)
    found |= measure("feature_distance/judge_small/clean", 0.3) | measure("sem_c/judge_small/clean", 0.5)
    found |= {"seed": 0, "judge/classifier": "clip_miniature head", "fid/judge_small/clean/reference": "0f" * 8}
    write(f"metrics/scores/{method}.json", found | more)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["table", *arguments])


def cells(name: str) -> dict[tuple[str, str], dict[str, str]]:
    result = run(name, "--csv")
    assert result.exit_code == 0, result.output
    return {(each["row"], each["metric"]): each for each in csv.DictReader(io.StringIO(result.output))}


def block(text: str, row: str) -> list[str]:
    """The lines of a row."""
    lines = text.splitlines()
    start = lines.index(row) + 1
    return lines[start : next(i for i in range(start, len(lines)) if not lines[i].startswith(" "))]


def test_a_row_has_value_interval_n_real_images_and_the_papers_number() -> None:
    write_scores()
    lines = block(run("1").output, "CoEmoGen")
    assert lines[2].split() == ["Emo-A", "90.00", "85.00", "to", "95.00", "256", "82.00", "80.15", "emo_a/classifier"]
    assert lines[3].split()[:4] == ["Emo-A", "(judge)", "80.00", "70.00"]
    assert lines[0].split() == [
        "FID",
        "31.00",
        "27.90",
        "to",
        "34.10",
        "256",
        "62.00",
        "40.66",
        "fid/judge_small/clean",
    ]


def test_ours_are_said_to_be_another_quantity() -> None:
    write_scores()
    last = run("1").output.splitlines()[-2]
    assert last.startswith(
        "Not the same quantity as the paper's number: FID, LPIPS, Emo-A, Emo-A (judge), Sem-C, Sem-D"
    )
    assert "bundled miniature CLIP on the drawn miniature" in last
    assert "FID by clean is of center crops, which is not the package clean-fid: that squashes whole images." in last


def test_only_backbone_and_protocol_of_the_papers_are_called_theirs_and_are_preferred() -> None:
    write_scores(**measure("fid/inception/emogen", 40.0, published=True), **measure("fid/inception/clean", 39.0))
    found, text = cells("1")["CoEmoGen", "fid"], run("1").output
    assert (found["ours"], found["measure"], found["as_published"]) == ("40.0", "fid/inception/emogen", "True")
    assert "Computed with the papers' own backbone and protocol, on the drawn miniature: FID." in text
    assert "Not the same quantity as the paper's number: LPIPS, Emo-A" in text
    assert "center crops" not in text


def test_metrics_count_for_the_row_that_params_say_and_for_no_other() -> None:
    write_scores()
    assert cells("2b")["one-hot", "emo_a"]["ours"] == "90.0"
    other = cells("2b")["text", "emo_a"]
    assert (other["ours"], other["paper"]) == ("", "78.92")
    first, _, second = other["remedy"].partition(", or ")
    assert first == "`dvc repro scores@coemogen_emoset` with coemogen.input: text in params.yaml"
    assert second.endswith("`python -m experiments.verdicts coemogen_table2b`")
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("input: onehot", "input: text"))
    assert cells("2b")["text", "emo_a"]["ours"] == "90.0"
    assert cells("2b")["one-hot", "emo_a"]["ours"] == ""
    assert cells("2c")["cosine", "emo_a"]["ours"] == ""  # that row is of one-hot


def write_grid(name: str, rows: dict[str, Any], **more: Any) -> None:
    found = {"seeds": [0, 1, 2], "images_per_seed": 1024, "key": {"digest": "0" * 16}, "rows": rows}
    write(f"experiments/results/{name}.json", found | more)


def test_verdicts_and_means_of_a_grid_stand_in_its_rows() -> None:
    write_scores()
    compared = {"mean": 0.85, "difference": -0.05, "low": -0.07, "high": -0.03, "resolves": 0.03,
                "verdict": "agrees", "mean_low": 0.83, "mean_high": 0.87}  # fmt: skip
    write_grid("coemogen_table1", {"whole": {"emo_a/classifier": {"mean": 0.9}},
                                   "without L_SEM": {"emo_a/classifier": compared}})  # fmt: skip
    found, text = cells("1"), run("1").output
    assert found["w/o L_SEM", "emo_a"]["ours"] == "85.0"
    assert found["w/o L_SEM", "emo_a"]["n"] == "3072"
    assert (found["w/o L_SEM", "emo_a"]["low"], found["w/o L_SEM", "emo_a"]["high"]) == ("83.0", "87.0")
    assert (found["w/o L_SEM", "emo_a"]["verdict"], found["w/o L_SEM", "emo_a"]["against"]) == ("agrees", "whole")
    assert found["CoEmoGen", "emo_a"]["verdict"] == ""
    assert "-5.00 [-7.00, -3.00] agrees, against whole; detectable difference 3.00" in text
    assert "each with its own steps and images: coemogen_table1 (" in text


def test_an_experiment_of_equal_steps_stands_before_one_seed_of_the_default_run() -> None:
    write_scores("emogen")
    reported = {
        "fid/clip_miniature/clean": 25.0,
        "fid/judge_small/clean": 30.0,
        "feature_distance/judge_small/clean": 0.2,
    }
    figures = {key: {"mean": mean, "by_seed": [mean] * 3} for key, mean in reported.items()}
    compared = {"mean": 0.7, "difference": -0.2, "low": -0.3, "high": -0.1, "resolves": 0.1,
                "verdict": "agrees"}  # fmt: skip
    write_grid(
        "methods_table1", {"CoEmoGen": {"emo_a/judge": {"mean": 0.9}}, "EmoGen": {"emo_a/judge": compared, **figures}}
    )
    for name in ("1", "IV"):
        found = {metric: each for (row, metric), each in cells(name).items() if row == "EmoGen"}
        assert found["emo_a_judge"]["ours"] == "70.0"
        assert found["emo_a_judge"]["measure"] == "emo_a/judge, mean over 3 seeds of methods_table1, 1,024 images each"
        assert (found["emo_a_judge"]["verdict"], found["emo_a_judge"]["against"]) == ("agrees", "CoEmoGen")
        assert (found["fid"]["ours"], found["fid"]["real"]) == ("30.0", ""), "that of real images is of another n"
        assert found["lpips"]["measure"].startswith("feature_distance/judge_small/clean, mean over 3 seeds")
        assert (found["emo_a"]["ours"], found["emo_a"]["measure"]) == ("90.0", "emo_a/classifier")  # it has none
    assert "not LPIPS" in run("1").output


def test_an_outdated_experiment_gives_way_to_the_present_run_and_is_said_to_be_old() -> None:
    write_scores("emogen")
    rows = {row: {"emo_a/judge": {"mean": 0.7}, "emo_a/classifier": {"mean": 0.7}} for row in ("EmoGen", "DreamBooth")}
    write_grid("methods_table1", rows, outdated="with the weights before")
    found = cells("1")
    assert (found["EmoGen", "emo_a"]["ours"], found["DreamBooth", "emo_a"]["ours"]) == ("90.0", "70.0")
    assert "Outdated: methods_table1 with the weights before." in run("1").output


def planted(**key: Any) -> tuple[str, str]:
    """Return our number and the whole text of a table, with a result of one grid under a key and metrics beside."""
    write_scores("emogen")
    write_grid("methods_table1", {"EmoGen": {"emo_a/classifier": {"mean": 0.7}}}, **key)
    return cells("1")["EmoGen", "emo_a"]["ours"], run("1").output


def test_a_result_without_a_key_is_stale() -> None:
    ours, text = planted(key=None)
    assert ours == "90.0"
    assert "methods_table1 without a key" not in text, "it gave way everywhere"
    write_grid("methods_table1", {"DreamBooth": {"emo_a/classifier": {"mean": 0.7}}}, key=None)
    assert "Outdated: methods_table1 without a key, so that nothing says of which code" in run("1").output


@pytest.mark.parametrize(
    "key",
    [{"code": {"emogen": "f" * 32}}, {"data": {"data/emoset118k": "f" * 32}},
     {"weights": {"models/miniature/clip": "f" * 32}}],
)  # fmt: skip
def test_a_result_of_other_code_data_or_weights_than_dvc_lock_records_is_stale(key: dict[str, Any]) -> None:
    same = {kind: dict.fromkeys(names, "0" * 32) for kind, names in key.items()}
    paths = ("code/emogen.txt", "data/emoset118k", "models/miniature/clip")
    deps = [{"path": path, "hash": "md5", "md5": "0" * 32} for path in paths]
    write("dvc.lock", {"schema": "2.0", "stages": {"emogen@emoset": {"cmd": "x", "deps": deps}}})
    assert planted(key=same)[0] == "70.0"
    assert planted(key=key)[0] == "90.0"
    assert planted(key={"code": {"not_made_here": "f" * 32}})[0] == "70.0"


def test_accuracy_over_seeds_of_a_grid_is_said_to_be_of_the_test_split() -> None:
    write_grid("uniemo_table7", {"20-80": {}, "10-90": {"accuracy": {"mean": 0.81, "by_seed": [0.81] * 3}}})
    found = cells("VII")["10-90", "accuracy_emoset"]
    assert (found["ours"], found["n"], found["paper"]) == ("81.0", "", "85.13")
    assert found["measure"] == "accuracy, mean over 3 seeds of uniemo_table7, test split"


def test_an_experiment_on_other_data_says_nothing_of_this_run() -> None:
    write_grid("methods_table1", {"EmoGen": {"emo_a/judge": {"mean": 0.7}}}, data="EmoSet-118K")
    assert cells("IV")["EmoGen", "emo_a_judge"]["ours"] == ""


def write_oracle() -> None:
    """As experiments/uniemo_oracle.py writes it, with two of its claims."""
    accuracy = {"after joint training": 0.843, "after feedback": 0.8465}
    compared = {"difference": 0.0035, "low": 0.001, "high": 0.006, "by_seed": [0.002, 0.003, 0.0055],
                "resolves": 0.0036, "verdict": "agrees"}  # fmt: skip
    lost = compared | {"difference": -0.002, "low": -0.004, "high": 0.0005, "verdict": "unresolved"}
    claims = {"after feedback - after joint training": compared, "after feedback - after as many steps without": lost}
    means = {name: {"mean": mean, "by_seed": [mean] * 3} for name, mean in accuracy.items()}
    write("experiments/results/uniemo_understanding.json",
          {"num_pictures": 20_000, "seeds": [0, 1, 2], "base": {}, "key": {"digest": "0" * 16},
           "accuracy": means, "claims": claims})  # fmt: skip


def test_accuracy_on_drawn_pictures_stands_with_the_fitting_claim_and_says_what_it_is() -> None:
    write_oracle()
    write("metrics/uniemo_joint.json", {"accuracy": 0.816, "n_test": 900})
    first, sixth = cells("I")["UniEmo L/14", "accuracy_emoset"], cells("VI")
    both, none = sixth["both", "accuracy_emoset"], sixth["no feedback", "accuracy_emoset"]
    assert (first["ours"], first["n"], both["ours"]) == ("84.65", "20000", "84.65")
    assert first["measure"].startswith(
        "after feedback: accuracy on 20,000 drawn images, not the test split; mean over 3"
    )
    assert (first["verdict"], first["against"]) == ("unresolved", "after as many steps without")
    assert (both["difference"], both["verdict"], both["against"]) == ("0.35", "agrees", "after joint training")
    assert (none["ours"], none["measure"], none["verdict"]) == ("81.6", "uniemo_joint, test split", "")
    assert "+0.35 [+0.10, +0.60] agrees, against after joint training; detectable difference 0.36" in run("VI").output
    assert both["resolves"] == "0.36"


def test_a_claim_that_was_not_compared_yet_says_what_compares_it() -> None:
    remedy = cells("I")["UniEmo L/14", "accuracy_emoset"]["remedy"]
    wanted = "`python -m experiments.run uniemo_understanding`, then `python -m experiments.uniemo_oracle`"
    assert remedy == f"`dvc repro uniemo_feedback`, or {wanted}"


def test_accuracies_come_from_the_readers_own_file_and_from_understanding_scores() -> None:
    write("metrics/uniemo_feedback.json",
          {"accuracy": 0.82, "accuracy_low": 0.8, "accuracy_high": 0.84, "n_test": 900})  # fmt: skip
    scored = {"fi/uniemo_understanding/split/accuracy": 0.7, "fi/uniemo_understanding/split/low": 0.6,
              "fi/uniemo_understanding/split/high": 0.8, "fi/uniemo_understanding/split/n": 100}  # fmt: skip
    zero_shot = {key.replace("/split", ""): value - 0.1 for key, value in scored.items()}
    write("metrics/understanding_scores.json", scored | zero_shot | {"emoset/captioner/accuracy": 0.71})
    found, third = cells("I"), cells("III")["UniEmo L/14", "zero_shot_fi"]
    assert [found["UniEmo L/14", f"accuracy_{name}"]["ours"] for name in ("emoset", "fi")] == ["82.0", "70.0"]
    assert found["LLaVA", "accuracy_emoset"]["ours"] == "71.0"
    assert float(third["ours"]) == pytest.approx(60)
    assert found["UniEmo L/14", "accuracy_emoset"]["n"] == "900"


def test_a_data_set_that_was_too_small_to_be_probed_says_so() -> None:
    write("metrics/understanding_scores.json", {"fi/num_rare_classes": 2, "fi/uniemo_feedback/accuracy": 0.7})
    found = cells("I")["UniEmo L/14", "accuracy_fi"]
    assert (found["ours"], found["remedy"].split(";")[0]) == (
        "", "a class has fewer images than understanding_scores.folds"
    )  # fmt: skip


def test_a_reader_that_is_not_trained_says_why_it_has_no_folds() -> None:
    write("metrics/understanding_scores.json", {"fi/captioner/accuracy": 0.4})
    assert cells("I")["LLaVA", "accuracy_fi"]["remedy"].endswith("see Table III for zero-shot accuracy")
    assert cells("III")["LLaVA", "zero_shot_fi"]["ours"] == "40.0"


def test_an_undefined_figure_is_a_dash() -> None:
    write_scores(**{"fid/judge_small/clean": None, "emo_a/classifier": None})
    lines = block(run("1").output, "CoEmoGen")
    assert lines[0].split() == ["FID", "-", "-", "-", "-", "40.66"]
    assert lines[2].split() == ["Emo-A", "-", "-", "-", "-", "80.15"]
    assert lines[-1].strip() == "missing FID, Emo-A: too few images; increase images.num_per_emotion"


def test_a_corpus_without_scenes_and_objects_has_no_sem_c_and_the_table_says_why() -> None:
    write_scores()
    path = Path("metrics/scores/coemogen_emoset.json")
    scores = json.loads(path.read_text())
    write(str(path), {key: value for key, value in scores.items() if "sem_c" not in key})
    assert cells("1")["CoEmoGen", "sem_c"]["ours"] == ""
    assert "missing Sem-C: the labelled corpus names no scene and no object" in run("1").output


def latex_rows(text: str) -> dict[str, list[str]]:
    lines = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r" \\")]
    return {name: values for name, *values in lines}


def test_latex_has_a_row_for_each_method_with_ours_small_intervals_and_the_papers_numbers() -> None:
    write_scores()
    result = run("1", "--latex")
    assert (result.exit_code, result.stderr) == (0, "")
    lines, rows = result.output.splitlines(), latex_rows(result.output)
    assert lines[:2] == [r"\begin{table*}", r"\centering"]
    assert rows["CoEmoGen"] == [
        r"31.00 {\scriptsize [27.90, 34.10]}", "40.66", r"0.300$^\dagger$ {\scriptsize [0.270, 0.330]}", "0.732",
        r"90.00 {\scriptsize [85.00, 95.00]}", "80.15", r"80.00 {\scriptsize [70.00, 90.00]}",
        r"0.500 {\scriptsize [0.450, 0.550]}", "0.641", r"0.0100 {\scriptsize [0.0090, 0.0110]}", "0.0349",
    ]  # fmt: skip
    assert rows["Stable Diffusion"][:4] == ["--", "44.05", "--", "0.687"]
    assert [line for line in lines if r"\multicolumn" in line] == [
        r" & \multicolumn{2}{c}{FID} & \multicolumn{2}{c}{LPIPS} & \multicolumn{2}{c}{Emo-A} & Emo-A (judge) & "
        r"\multicolumn{2}{c}{Sem-C} & \multicolumn{2}{c}{Sem-D} \\"
    ]
    assert r"\begin{tabular}{lrrrrrrrrrrr}" in lines
    assert r"\label{tab:evoke-1}" in lines
    assert lines[-2] == r"\end{table*}"
    assert lines[-1].startswith("% Not the same quantity as the paper's number: FID")


def test_latex_is_escaped() -> None:
    write_scores()
    text = run("1", "--latex").output
    body = [line for line in text.splitlines() if not line.startswith("% ")]
    assert r"w/o L\_SEM" in latex_rows(text)
    assert r"ours: this project, with the 95 \% interval in brackets" in text
    assert not re.search(r"(?<!\\)[_%#]", "\n".join(body))
    assert LATEX.escape(r"a_b & 5 % of {x} \ $y^2 ~ #") == (
        r"a\_b \& 5 \% of \{x\} \textbackslash{} \$y\textasciicircum{}2 \textasciitilde{} \#"
    )


def test_markdown_has_the_same_numbers() -> None:
    write_scores()
    result = run("1", "--markdown")
    assert result.exit_code == 0, result.output
    told, table, caveat = result.output.rstrip("\n").split("\n\n")
    heads, rule, *rows = [[part.strip() for part in line.strip("|").split("|")] for line in table.splitlines()]
    assert heads[:5] == ["", "FID, ours", "FID, paper", "LPIPS, ours", "LPIPS, paper"]
    assert {len(row) for row in rows} == {len(heads)} == {12}
    assert "Emo-A (judge), paper" not in heads
    assert (rule[0].rstrip("-"), rule[1].lstrip("-")) == (":", ":")
    found = {row[0]: row[1:] for row in rows}
    assert found["CoEmoGen"][:4] == [
        "31.00 <small>[27.90, 34.10]</small>", "40.66", "0.300† <small>[0.270, 0.330]</small>", "0.732"
    ]  # fmt: skip
    assert found[r"w/o L\_SEM"][:2] == ["-", "50.32"]
    assert "A dagger marks a distance between features of the judge, which is not LPIPS." in told
    assert caveat.startswith("Not the same quantity as the paper's number: FID")


def folder_keys(values: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (section, key)
        for section, entries in values.items()
        if isinstance(entries, dict)
        for key in entries
        if key.endswith("folder") and isinstance(entries[key], str)
    ]


@pytest.mark.parametrize("form", ["--latex", "--markdown"])
def test_a_caption_says_what_is_not_comparable(form: str) -> None:
    told = "Numbers on the drawn miniature are not comparable with the paper's."
    assert told in run("1", form).output
    write_scores(**measure("fid/inception/emogen", 40.0, published=True), **measure("lpips/alexnet/emogen", 0.7, True))
    assert told in run("1", form).output
    assert "dagger marks" not in run("1", form).output
    values = read_yaml(Path("params.yaml"))
    values["miniature"]["layouts"], values["truth_checks"]["corpora"] = [], []
    for section, key in folder_keys(values):
        values[section][key] = values[section][key].replace("data/miniature/", "data/real/")
    write("params.yaml", values)
    text = run("1", form).output
    assert told not in text
    assert "Our numbers are not comparable with the paper's in Emo-A, Emo-A (judge), Sem-C, Sem-D." in text


@pytest.mark.parametrize("options", [("--csv", "--latex"), ("--latex", "--markdown"), ("--csv", "--markdown")])
def test_forms_exclude_each_other_in_one_line(options: tuple[str, str]) -> None:
    result = run("1", *options)
    assert result.exit_code == 1
    assert (
        result.output
        == f"Error: {' and '.join(options)} exclude each other; give one of them, or none for plain text\n"
    )


@pytest.mark.parametrize("name", load_papers())
@pytest.mark.parametrize("form", ["--latex", "--markdown"])
def test_every_table_has_each_of_the_papers_numbers_once(name: TableName, form: str) -> None:
    result, table = run(name, form), load_papers()[name]
    assert result.exit_code == 0, result.output
    start, between = (r"\midrule", " & ") if form == "--latex" else ("\n|:-", "|")
    body = result.output.partition(start)[2].partition("\n\n")[0].removesuffix("|")
    lines = [line for line in body.splitlines()[1:] if between in line]
    assert len(lines) == len(table.rows)
    for row, line in zip(table.rows, lines, strict=True):
        wanted = [number(value, metric) for value, metric in zip(row.numbers, table.metrics, strict=True) if value]
        parts = [part.strip(" \\") for part in line.strip("|").split(between)]
        assert [part for part in parts[1:] if part not in ("-", "--")] == wanted


@pytest.mark.parametrize("name", load_papers())
def test_every_table_prints_without_any_metrics_and_says_what_makes_them(name: TableName) -> None:
    result = run(name)
    assert result.exit_code == 0, result.output
    assert "No number of this table has been measured yet." in result.output
    assert "`dvc repro " in result.output
    table = load_papers()[name]
    wanted = sum(number is not None for row in table.rows for number in row.numbers)
    assert sum(cell["paper"] != "" for cell in cells(name).values()) == wanted
    assert f"{table.rows[-1].row}" in result.output


def test_params_that_have_changed_since_the_last_run_are_told_and_those_of_a_method_that_is_gone_are_not() -> None:
    params = {"params.yaml": {"coemogen": read_yaml(Path("params.yaml"))["coemogen"] | {"input": "text"}, "seed": 0}}
    gone = {"params.yaml": {"images": {"steps": 1}}}
    lock = {"coemogen@emoset": {"cmd": "x", "params": params}, "images@gone": {"params": gone}, "judges": {"cmd": "x"}}
    write("dvc.lock", {"schema": "2.0", "stages": lock})
    result = run("1")
    assert result.exit_code == 0
    assert result.stderr.startswith("params.yaml has changed since the last run in coemogen; the metrics")
    lock["coemogen@emoset"] = {"params": {"params.yaml": {"seed": 0}}}
    write("dvc.lock", {"schema": "2.0", "stages": lock})
    assert run("1").stderr == ""


def test_numbers_of_a_method_that_params_do_not_list_are_not_taken() -> None:
    write_scores("stable_diffusion")
    assert cells("1")["Stable Diffusion", "emo_a"]["ours"] == "90.0"
    Path("params.yaml").write_text(
        Path("params.yaml").read_text().replace("methods: [stable_diffusion, ", "methods: [")
    )
    found = cells("1")["Stable Diffusion", "emo_a"]
    assert found["ours"] == ""
    assert found["remedy"].startswith("add stable_diffusion to methods in params.yaml, then `dvc repro scores@stable")


def test_an_unknown_table_is_one_line() -> None:
    result = run("IX")
    assert result.exit_code == 1
    assert result.output == (
        "Error: unknown table 'IX'; allowed are 1, 2a, 2b, 2c, I, II, III, IV, V, VI, VII, VIII, EC\n"
    )


def test_the_power_of_a_table_is_of_the_papers_numbers_alone() -> None:
    text = run("2b", "--power")
    assert text.exit_code == 0, text.output
    line = next(line for line in text.output.split("\ntext\n")[1].splitlines() if line.startswith("  Emo-A"))
    assert line.split()[:4] == ["Emo-A", "78.92", "0.89", "8,000"]
    assert "-1.23    [-2.48, +0.02]  unresolved, claimed worse than one-hot; needs n 8,264" in line
    assert "FID, LPIPS, Sem-D: nothing from n alone" in text.output
    assert "Each row is one training, as far as the papers state" in text.output
    found = {(row["row"], row["metric"]): row
             for row in csv.DictReader(io.StringIO(run("2b", "--power", "--csv").output))}  # fmt: skip
    assert found["text", "emo_a"]["verdict"] == "unresolved"
    assert found["text", "emo_a"]["needs_n"] == "8264"
    assert (found["text", "fid"]["verdict"], found["text", "fid"]["half_width"]) == ("not by n", "")
    assert "| text | Emo-A | 78.92 | 8,000 | 0.89 |" in run("2b", "--power", "--markdown").output
    refused = run("2b", "--power", "--latex")
    assert (refused.exit_code, refused.output.count("\n")) == (1, 1)


def test_the_power_of_a_table_takes_the_spread_of_an_experiment_and_names_it() -> None:
    cells = {"emo_a/classifier": {"mean": 0.9, "by_seed": [0.01, 0.03, 0.05], "verdict": "agrees"}}
    grid = {"grid": "coemogen_table2b", "seeds": [0, 1, 2], "images_per_seed": 1024, "rows": {"text": cells}}
    write("experiments/results/coemogen_table2b.json", grid)
    found = {(row["row"], row["metric"]): row
             for row in csv.DictReader(io.StringIO(run("2b", "--power", "--csv").output))}  # fmt: skip
    assert found["learnable", "emo_a"]["training_grid"] == "coemogen_table2b"
    assert float(found["learnable", "emo_a"]["training_resolves"]) == pytest.approx(8.605, abs=0.001)
    assert (found["learnable", "emo_a"]["verdict"], found["learnable", "emo_a"]["training_verdict"]) == (
        "resolved", "unresolved",
    )  # fmt: skip
    assert "in coemogen_table2b (1 differences, 3 seeds)" in run("2b", "--power").output


def test_rows_of_emoset_hold_what_was_learnt_from_the_labelled_corpus() -> None:
    values = read_yaml(Path("params.yaml"))
    write("params.yaml", laid_over(values, with_corpora(values, ["mine"], "mine")))
    write_scores("coemogen_mine")
    write("metrics/understanding_scores.json", {"mine/captioner/accuracy": 0.71})
    assert cells("1")["CoEmoGen", "emo_a"]["ours"] == "90.0"
    assert cells("I")["LLaVA", "accuracy_emoset"]["ours"] == "71.0"
    assert "clip_miniature" in run("1").output
    assert "on mine" in run("1").output
