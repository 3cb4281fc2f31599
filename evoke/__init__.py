"""Commands for people: `evoke COMMAND`, and `from evoke import EmotionPipeline`. For DVC: `python -m stages.NAME`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.generation.pipeline import EmotionPipeline

__all__ = ["EmotionPipeline"]


def __getattr__(name: str) -> type["EmotionPipeline"]:
    """EmotionPipeline, imported when it is asked for: it brings torch, and `evoke --help` needs none."""
    if name == "EmotionPipeline":
        from pipeline.generation.pipeline import EmotionPipeline

        return EmotionPipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
