"""Select generated images for training the model that made them (UniEmo III-D)."""
