"""Name the outcomes for a generated image (UniEmo Algorithm 1): kept, or rejected by one or both of its ranks."""

FEEDBACK_REASONS = ("kept", "emotion_rank", "clarity_rank", "both_ranks", "not_drawn")
