"""Commands for people: `evoke COMMAND`, and `from evoke import EmotionPipeline, EmotionReader`.

For DVC: `python -m stages.NAME`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.generation.pipeline import EmotionPipeline
    from pipeline.uniemo.reader import EmotionReader

__all__ = ["EmotionPipeline", "EmotionReader"]


def __getattr__(name: str) -> type["EmotionPipeline"] | type["EmotionReader"]:
    """Each class imported when it is asked for: they bring torch, and `evoke --help` needs none."""
    if name == "EmotionPipeline":
        from pipeline.generation.pipeline import EmotionPipeline

        return EmotionPipeline
    if name == "EmotionReader":
        from pipeline.uniemo.reader import EmotionReader

        return EmotionReader
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
