"""Define the prompts of the multimodal model: with or without the emotion as prior, for one sentence or all details.

They implement CoEmoGen, Table 2a. The wording of `emotion` is the paper's; the other three are derived from it, because
the paper's appendix is not public.
"""

from typing import Literal, get_args

Variant = Literal["neutral", "emotion", "details", "emotion_details"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)

FOCUS = (
    "focusing on elements like brightness, colorfulness, scene type, object classes, facial expressions, "
    "and human actions"
)
PROMPTS: dict[Variant, str] = {
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


def prompt(variant: Variant, emotion: str) -> str:
    """Return the instruction for one image; variants without the prior ignore `emotion`."""
    return PROMPTS[variant].format(emotion=emotion)
