"""Captions that say what triggers an emotion: the prompts, the captioners and the CLIP filter (CoEmoGen, section 3.1)."""
