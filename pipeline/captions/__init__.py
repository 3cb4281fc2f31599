"""Captions that say what triggers an emotion: prompts, captioners and the CLIP filter (CoEmoGen, section 3.1)."""
