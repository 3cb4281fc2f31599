"""What becomes of a generated image (UniEmo Algorithm 1): it is kept, or one or both of its ranks are too extreme."""

FEEDBACK_REASONS = ("kept", "emotion_rank", "clarity_rank", "both_ranks", "not_drawn")
