"""Define the prompts of the multimodal model: with or without the emotion as prior, for one sentence or all details.

They implement CoEmoGen, Table 2a. The wording of `emotion` is the paper's; the other three are derived from it, because
the paper's appendix is not public: a variant without the prior is the one with it less what speaks of the emotion, so
that the two differ by the prior alone.

The miniature captioner has learned the fixed strings of PROMPTS, whose neutral one is shorter, and answers no others.
Every other model is given WORDING.
"""

from collections.abc import Mapping
from typing import Literal, get_args

Variant = Literal["neutral", "emotion", "details", "emotion_details"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)

FOCUS = (
    "focusing on elements like brightness, colorfulness, scene type, object classes, facial expressions, "
    "and human actions"
)
Wording = Mapping[Variant, str]
PROMPTS: dict[Variant, str] = {  # an edit needs a captioner that is trained anew, and the world's vocabulary
    "neutral": "Provide a one-sentence caption that describes this image.",
    "emotion": (
        "This image evokes a strong emotion of {emotion}. "
        "Provide a one-sentence caption that vividly describes the visual details, "
        f"{FOCUS} that effectively convey and express this emotion."
    ),
    "details": f"Describe this image in as many visual details as possible, {FOCUS}.",
    "emotion_details": (
        "This image evokes a strong emotion of {emotion}. Describe in as many visual details as possible, "
        f"{FOCUS} that effectively convey and express this emotion."
    ),
}
WORDING: Wording = {
    **PROMPTS,
    "neutral": f"Provide a one-sentence caption that vividly describes the visual details, {FOCUS}.",
}


def wording_of(is_miniature: bool) -> Wording:
    """Return the prompts for the miniature captioner, bundled or trained by its recipe, or for any other model."""
    return PROMPTS if is_miniature else WORDING


def prompt(variant: Variant, emotion: str, wording: Wording = PROMPTS) -> str:
    """Return the instruction for one image; variants without the prior ignore `emotion`."""
    return wording[variant].format(emotion=emotion)
