"""The foundation models: loaded from folders of the real formats, unpacked from the bundle, trained in training/."""
