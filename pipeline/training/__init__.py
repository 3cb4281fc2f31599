"""The one loop that CoEmoGen, UniEmo and the baselines are trained by."""
