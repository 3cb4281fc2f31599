"""The judges on the test split: only its pictures, rates of what is annotated, clarity before and after destruction."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.judges.examples import UNKNOWN, attribute_names, in_split
from pipeline.judges.panel import Judges
from pipeline.judges.pixels import PixelJudge
from pipeline.judges.trial import Trial, summary, try_judges
from pipeline.runtime import torch_generator


@pytest.fixture(scope="module")
def judges(table: pa.Table) -> Judges:
    names = attribute_names(table)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Judges(PixelJudge("small", len(names.scenes), len(names.objects)).eval(), "small", 64, names)


def trial(judges: Judges, table: pa.Table) -> Trial:
    shards = [table.slice(0, 5), table.slice(5, 20), table.slice(25)]
    return try_judges(judges, shards, torch_generator(0))


def test_the_test_pictures_of_all_tables_are_judged_in_order(judges: Judges, table: pa.Table) -> None:
    found = trial(judges, table)
    test = table.filter(in_split("test")(table))
    assert len(found.verdicts) == len(found.targets) == len(found.clarity) == len(found.clarity_destroyed) == len(test)
    whole = try_judges(judges, [table], torch_generator(0))
    np.testing.assert_allclose(found.verdicts.emotions, whole.verdicts.emotions, rtol=1e-3)
    np.testing.assert_array_equal(found.targets.scenes, whole.targets.scenes)


def test_scene_and_object_are_counted_where_they_are_annotated(judges: Judges, table: pa.Table) -> None:
    found = trial(judges, table)
    numbers = summary(found, judges)
    known = found.targets.scenes != UNKNOWN
    right = found.verdicts.scenes.argmax(1) == found.targets.scenes
    assert numbers["n_scene"] == known.sum()
    assert numbers["accuracy_scene"] == pytest.approx(right[known].mean())
    assert numbers["n_object"] == (found.targets.objects != UNKNOWN).sum()
    assert numbers["clarity_real"] == pytest.approx(found.clarity.mean())
    assert numbers["clarity_destroyed"] == pytest.approx(found.clarity_destroyed.mean())
    assert numbers["n_test"] == len(found.targets)
    without = summary(replace(found, clarity=np.full_like(found.clarity, np.nan)), judges)
    assert without == {name: value for name, value in numbers.items() if not name.startswith("clarity_")} != numbers


def test_a_corpus_without_test_pictures_is_an_error(judges: Judges, table: pa.Table) -> None:
    with pytest.raises(ValueError, match="test split"):
        trial(judges, table.filter(~in_split("test")(table)))
