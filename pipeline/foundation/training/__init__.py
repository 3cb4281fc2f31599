"""Train each miniature foundation model on images drawn for it; code that only loads a model never imports this."""
