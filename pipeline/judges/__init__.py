"""Classifiers that score and curate images: the emotion head on CLIP features and the independent pixel judges."""
