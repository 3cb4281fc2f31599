"""Caption images with what triggers their emotion: prompts, captioners and the CLIP filter (CoEmoGen 3.1)."""
