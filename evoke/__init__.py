"""Commands for people, `evoke COMMAND`, and the classes `EmotionPipeline` and `EmotionReader`.

The commands that DVC runs are `python -m stages.NAME`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evoke.pipeline import EmotionPipeline
    from pipeline.uniemo.reader import EmotionReader

__all__ = ["EmotionPipeline", "EmotionReader"]


def __getattr__(name: str) -> type["EmotionPipeline"] | type["EmotionReader"]:
    """Import a class on first access: both classes import torch, which `evoke --help` does not need."""
    if name == "EmotionPipeline":
        from evoke.pipeline import EmotionPipeline

        return EmotionPipeline
    if name == "EmotionReader":
        from pipeline.uniemo.reader import EmotionReader

        return EmotionReader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
