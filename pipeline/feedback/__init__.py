"""Which generated images come back to train the model that made them (UniEmo III-D)."""
