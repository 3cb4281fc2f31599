"""What the multimodal model is asked: with or without the emotion as prior, for one sentence or all details.

CoEmoGen, Table 2a. The text of `emotion` is the paper's; the other three are derived from it, as the paper's appendix
is not public.
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
    """The instruction for one picture; variants without the prior do not look at `emotion`."""
    return PROMPTS[variant].format(emotion=emotion)
