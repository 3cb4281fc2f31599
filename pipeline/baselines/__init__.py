"""Baselines of CoEmoGen's Table 1, with the same foundation model, corpus, training loop and sampler."""
