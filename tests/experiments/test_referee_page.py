"""docs/REFEREE.md says what papers.yaml and the results of experiments say today."""

from experiments.referee import DOCUMENT, document
from pipeline.report.papers import load_papers

TEXT = DOCUMENT.read_text(encoding="utf-8")


def test_the_document_is_todays() -> None:
    assert document() == TEXT, "run `python -m experiments.referee`"


def test_every_table_has_a_part_and_every_row_a_line() -> None:
    for table in load_papers().values():
        part = TEXT.partition(f"## {table.title}\n")[2].partition("\n## ")[0]
        for row in table.rows:
            if any(number is not None for number in row.numbers):
                name = row.row.replace("*", r"\*")
                assert f"| {name} | " in part


def test_each_unresolved_pair_is_named_once() -> None:
    lines = [line for line in TEXT.partition("## In short")[2].partition("\n## ")[0].splitlines() if line[:2] == "- "]
    assert len(lines) == len(set(lines))
    assert sum("2b, Emo-A" in line for line in lines) == 1
    assert not any("Sem-C:" in line.split(":")[0] for line in lines)
