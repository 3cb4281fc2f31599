"""Coherence against the truth of the drawn world, which the metric never sees."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.metrics.coherence import (
    LIMIT,
    Plausibility,
    coherence,
    plausibility_of,
    scores_of,
    scores_of_images,
)
from pipeline.miniature import distributions as d
from pipeline.miniature.annotation import detected_objects
from pipeline.miniature.checks import drawn_objects
from pipeline.miniature.world import OBJECT_NAMES, SCENE_NAMES, World

WORLD = World(0)
POSSIBLE = ~WORLD.impossible


def corpus(rows: list[tuple[str | None, list[str]]]) -> pa.Table:
    scenes, objects = zip(*rows, strict=True)
    return pa.table({"scene": pa.array(scenes, pa.string()), "objects": pa.array(objects, pa.list_(pa.string()))})


@pytest.fixture(scope="module")
def annotated() -> Plausibility:
    """What the drawn world's annotator tells of 1,500 pictures whose scene it names: of EmoSet's, a quarter are."""
    rng = np.random.default_rng(0)
    truths = [WORLD.truth("emoset", index) for index in range(1500)]
    return plausibility_of(corpus([(truth.scene, detected_objects(truth, rng)) for truth in truths]))


def test_scores_are_those_computed_by_hand() -> None:
    rows = [("sea", ["boat"])] * 3 + [("sea", ["boat", "boat"]), ("wood", ["tree", "boat"]), ("wood", ["tree"])]
    found = plausibility_of(corpus([*rows, ("sea", []), (None, ["tree"])]))  # the last two tell nothing
    assert (found.scenes, found.objects) == (("sea", "wood"), ("boat", "tree"))
    # seven pairs: sea 4, wood 3; boat 5, tree 2; expected 20/7, 8/7, 15/7, 6/7
    wanted = np.log([[4.5 / (20 / 7 + 0.5), 0.5 / (8 / 7 + 0.5)], [1.5 / (15 / 7 + 0.5), 2.5 / (6 / 7 + 0.5)]])
    assert np.allclose(found.scores, wanted)


def test_pairs_that_never_are_score_below_every_pair_that_may_be() -> None:
    p_scene = np.einsum("a,aes->se", [1 - d.SCENE_ANNOTATED, d.SCENE_ANNOTATED], WORLD.scene_given_emotion) * d.PRIOR
    joint = np.einsum("n,nseo,se->so", list(d.NUM_OBJECTS.values()), drawn_objects(WORLD), p_scene)
    scores = scores_of(1e6 * joint)
    assert WORLD.impossible.sum() == 54  # 15 % of 360
    assert scores[~POSSIBLE].max() < scores[POSSIBLE].min()


def test_annotated_pictures_alone_tell_impossible_pairs_from_possible_ones(annotated: Plausibility) -> None:
    scores = np.array([scores_of_images(annotated, [scene] * len(OBJECT_NAMES), OBJECT_NAMES) for scene in SCENE_NAMES])
    possible, impossible = scores[POSSIBLE], scores[~POSSIBLE]
    assert (possible[:, None] > impossible).mean() > 0.75  # one in seven annotated objects is not there
    assert possible.mean() - impossible.mean() > 0.8


def test_drawn_pictures_score_above_the_same_scenes_with_objects_of_others(annotated: Plausibility) -> None:
    truths = [WORLD.truth("oracle", index) for index in range(400)]
    scenes = [truth.scene for truth in truths]
    objects = [max(truth.objects, key=lambda thing: thing.area).name for truth in truths]
    emotions, generator = np.zeros(400, int), np.random.default_rng(0)
    whole, mixed = (
        coherence(annotated, pa.table({"scene": scenes, "object": names}), emotions, generator, "truth")[0]
        for names in (objects, list(generator.permutation(objects)))
    )
    assert whole.low > 0.2 > mixed.high
    assert whole.measure.key == "coherence/truth/clean"


def test_what_is_not_recognised_has_no_score_and_is_not_of_the_n(annotated: Plausibility) -> None:
    images = pa.table({"scene": ["none", "beach", "beach", "moon"], "object": ["boat", "none", "boat", "boat"]})
    found = coherence(annotated, images, np.zeros(4, int), np.random.default_rng(0), "small")
    assert found[0].n == 1
    assert 0 < found[0].value <= LIMIT


def test_what_is_too_rare_to_tell_scores_near_0_and_nothing_beyond_the_limit() -> None:
    counts = np.array([[1000.0, 0, 500], [0, 1, 500]])
    scores = scores_of(counts)
    assert scores[1, 0] == -LIMIT
    assert abs(scores[0, 1]) < 1.1
    assert scores[0, 1] > -scores[1, 0] * -0.4


def test_a_corpus_without_pairs_says_so() -> None:
    with pytest.raises(ValueError, match="none of 2 images"):
        plausibility_of(corpus([("sea", []), (None, ["boat"])]))
