"""The training loop that CoEmoGen, UniEmo and the baselines share."""
