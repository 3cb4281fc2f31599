"""List the work of every stage of the DAG in running order; every stage of dvc.yaml has an entry here."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.plan import corpus_stages, image_stages, training_stages
from pipeline.plan.work import Setting, Stage

if TYPE_CHECKING:
    from pipeline.params import Params

STAGES: dict[str, Callable[[Setting, str], Stage]] = {
    "miniature": corpus_stages.miniature,
    "foundation_clip": corpus_stages.foundation_clip,
    "foundation_diffusion": corpus_stages.foundation_diffusion,
    "foundation_captioner": corpus_stages.foundation_captioner,
    "emoset": corpus_stages.emoset,
    "features": corpus_stages.features,
    "emotion_classifier": corpus_stages.emotion_classifier,
    "judges": training_stages.judges,
    "emoart": corpus_stages.emoart,
    "captions": corpus_stages.captions,
    "caption_features": corpus_stages.caption_features,
    "caption_filter": corpus_stages.caption_filter,
    "emoart_funnel": corpus_stages.emoart_funnel,
    "correlation": corpus_stages.correlation,
    "latents": corpus_stages.latents,
    "stable_diffusion": training_stages.stable_diffusion,
    "coemogen": training_stages.coemogen,
    "textual_inversion": training_stages.textual_inversion,
    "dreambooth": training_stages.dreambooth,
    "emogen": training_stages.emogen,
    "uniemo_understanding": training_stages.uniemo_understanding,
    "uniemo_joint": training_stages.uniemo_joint,
    "images": image_stages.images,
    "real_scores": image_stages.real_scores,
    "scores": image_stages.scores,
    "feedback": image_stages.feedback,
    "uniemo_feedback": training_stages.uniemo_feedback,
    "understanding_scores": image_stages.understanding_scores,
    "grids": image_stages.grids,
    "truth_checks": image_stages.truth_checks,
    "report": image_stages.report,
}
ITEMS: dict[str, Callable[["Params"], Sequence[str]]] = {  # items of the stages that are `foreach` in dvc.yaml
    "miniature": lambda params: params.miniature.layouts,
    **dict.fromkeys(
        ("features", "captions", "caption_features", "caption_filter", "latents", "coemogen"),
        lambda params: params.corpora,
    ),
    "textual_inversion": lambda params: params.textual_inversion.corpora,
    "dreambooth": lambda params: params.dreambooth.corpora,
    "emogen": lambda params: params.emogen.corpora,
    **dict.fromkeys(("images", "scores", "grids"), lambda params: params.methods),
    "truth_checks": lambda params: params.truth_checks.corpora,
}


def workload(setting: Setting) -> Iterator[Stage]:
    """Yield the work of every unit of the DAG, such as captions@emoset."""
    for name, work in STAGES.items():
        for item in ITEMS[name](setting.params) if name in ITEMS else ("",):
            yield work(setting, item).named(f"{name}@{item}" if item else name)
