"""The papers' numbers: every table is there, every number parses, and a wrong file says where it is wrong."""

from pathlib import Path
from typing import get_args

import pytest

from pipeline.params import METHODS, FoundationClip, dotted_keys, load_params
from pipeline.report.papers import PAPERS, PaperTable, TableName, load_papers

ROOT = Path(__file__).parents[2]
BASELINES = {"textual_inversion", "dreambooth", "emogen"}


@pytest.fixture(scope="module")
def papers() -> dict[TableName, PaperTable]:
    return load_papers()


def test_every_table_has_rows_with_a_number_and_names_its_source(papers: dict[TableName, PaperTable]) -> None:
    assert tuple(papers) == get_args(TableName)
    for name, table in papers.items():
        assert table.source.endswith("benchmark" if name == "EC" else f"Table {name}")
        printed = [row for row in table.rows if any(number is not None for number in row.numbers)]
        assert len(printed) == (7 if name == "EC" else len(table.rows))  # that benchmark knows no CoEmoGen or UniEmo


def test_single_numbers_are_as_the_papers_print_them(papers: dict[TableName, PaperTable]) -> None:
    rows = {(name, row.row): row.numbers for name, table in papers.items() for row in table.rows}
    assert rows["1", "CoEmoGen"] == (40.66, 0.732, 80.15, 0.641, 0.0349)
    assert rows["1", "w/o L_SEM"] == (50.32, 0.698, 65.90, 0.562, 0.0255)
    assert rows["2c", "KL"] == (48.36, 0.693, 70.01, 0.609, 0.0272)
    assert rows["I", "UniEmo L/14"] == (85.30, 87.65)
    assert rows["IV", "UniEmo-XL"] == (26.61, 0.807, 81.74, 0.642, 0.0392)
    assert rows["VI", "no feedback"] == (84.96, 27.87, 0.790, 79.77, 0.637, 0.0367)
    assert rows["VIII", "30 %"] == (85.34, 27.75, 0.792, 78.34, 0.640, 0.0389)


def test_the_same_model_has_the_same_numbers_in_every_table(papers: dict[TableName, PaperTable]) -> None:
    def numbers(table: TableName, name: str) -> tuple[float | None, ...]:
        return next(row.numbers for row in papers[table].rows if row.row == name)

    assert numbers("1", "CoEmoGen") == numbers("2a", "emotion prior") == numbers("2b", "one-hot")
    assert numbers("2b", "one-hot") == numbers("2c", "cosine")
    assert numbers("VI", "both") == numbers("VII", "20-80") == numbers("VIII", "20 %")
    assert numbers("VI", "no feedback") == numbers("VII", "no feedback")
    assert numbers("VI", "both")[1:] == numbers("IV", "UniEmo")


def test_table_v_has_the_papers_rows_and_rows_without_a_loss_are_compared_without_one(
    papers: dict[TableName, PaperTable],
) -> None:
    from experiments.cell import read_grid

    grid, table = read_grid("uniemo_table5"), papers["V"]
    names = [row.row for row in table.rows]
    assert len(names) == 11
    assert set(names) == set(grid["rows"]), "under the paper's names"
    assert not any("L_ce" in name and "L_cond" in name for name in names)
    weights = {name: changes.get("uniemo_joint.condition_weight") for name, changes in grid["rows"].items()}
    assert {name for name, weight in weights.items() if weight != 0.0} == {
        "Cls + Obj* + Scene* + L_ce", "Cls + Obj* + Scene* + L_cond"
    }  # fmt: skip
    first = next(iter(grid["rows"]))
    assert (first, weights[first]) == ("Cls + Obj* + Scene*", 0.0)
    emo_a = {row.row: row.numbers[2] for row in table.rows}
    for name, said in grid["paper"].items():
        assert said == (1 if (emo_a[name] or 0) > (emo_a[first] or 0) else -1), name


def test_what_stands_beside_a_row_is_a_param_a_method_and_a_row_of_a_grid_that_there_are(
    papers: dict[TableName, PaperTable],
) -> None:
    from experiments.cell import read_grid
    from experiments.uniemo_oracle import CLAIMS

    claims = {None, *(f"{one} - {other}" for one, other, _ in CLAIMS)}
    keys, params = set(dotted_keys()), load_params(ROOT / "params.yaml")
    keys |= {f"foundation_vit.{name}" for name in FoundationClip.model_fields}  # null by default
    for table in papers.values():
        for row in table.rows:
            assert set(table.params_of(row)) <= keys
            assert row.method in {None, *METHODS, "coemogen_emoset", "coemogen_emoart", *BASELINES}
            assert row.claim in claims
            assert not row.grid or row.grid_row in read_grid(row.grid)["rows"]
            for key in table.params_of(row):
                section, _, name = key.partition(".")
                assert hasattr(getattr(params, section) or params.foundation_clip, name)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("numbers: [44.05, 0.687,", "numbers: [44.05, 68.7,", "table 1: .*Stable Diffusion: lpips = 68.7 is not in"),
        ("numbers: [44.05, 0.687,", "numbers: [0.687,", "Stable Diffusion: 4 numbers for 5 metrics"),
        ("numbers: [44.05,", "numbers: [forty,", r"table 1: rows\.0\.numbers\.0"),
        ("row: DreamBooth", "row: EmoGen", "every name may occur only once"),
        (
            "claim: after feedback - after joint",
            "claim: after joint",
            "claim = 'after joint training': allowed is a difference such as 'one",
        ),
        (", missing: needs Stable Diffusion XL", "", "SDXL: `missing` says why there is no such row of ours"),
        ('"2a":', '"2d":', "tables are .*2d.*, expected 1, 2a"),
    ],
)
def test_a_wrong_file_says_where_it_is_wrong(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = PAPERS.read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "papers.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        load_papers(tmp_path / "papers.yaml")
