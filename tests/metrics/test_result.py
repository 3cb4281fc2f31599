"""Results as flat metrics, and what may be called the papers' quantity."""

import pytest

from pipeline.metrics.result import Measure, Result, flat


def test_keys_name_metric_backbone_protocol_and_emotion() -> None:
    measure = Measure("sem_d_mse", "openai/clip-vit-large-patch14")
    found = flat([Result(measure, 0.5, 0.25, 0.75, 8), Result(measure, 1.0, 0.5, 1.5, 4, "awe")], "real/")
    key = "real/sem_d_mse/openai_clip-vit-large-patch14/clean"
    assert found == {
        key: 0.5, f"{key}/low": 0.25, f"{key}/high": 0.75, f"{key}/n": 8, f"{key}/as_published": False,
        f"{key}/awe": 1.0, f"{key}/awe/low": 0.5, f"{key}/awe/high": 1.5, f"{key}/awe/n": 4,
    }  # fmt: skip


def test_what_is_not_defined_is_null_and_keeps_its_n() -> None:
    nan = float("nan")
    found = flat([Result(Measure("fid", "judge"), nan, nan, nan, 1, "fear")])
    assert found["fid/judge/clean/fear"] is None
    assert found["fid/judge/clean/fear/n"] == 1


@pytest.mark.parametrize(
    ("measure", "theirs"),
    [
        (Measure("fid", "inception", "emogen"), True),
        (Measure("fid", "inception", "clean"), False),
        (Measure("fid", "small", "emogen"), False),
        (Measure("lpips", "alexnet", "emogen"), True),
        (Measure("feature_distance", "alexnet", "emogen"), False),
        (Measure("sem_d_mse", "timm/vit_large_patch14_clip_224.openai", "emogen"), True),
        (Measure("sem_d_cosine", "timm/vit_large_patch14_clip_224.openai", "emogen"), False),
        (Measure("sem_c", "resnet50", "emogen"), True),
        (Measure("sem_c", "resnet50", "clean"), False),
        (Measure("sem_c", "small", "clean"), False),
        (Measure("coherence", "small", "emogen"), False),
    ],
)
def test_a_number_is_the_papers_quantity_only_by_their_backbone_and_protocol(measure: Measure, theirs: bool) -> None:
    assert measure.as_published is theirs
