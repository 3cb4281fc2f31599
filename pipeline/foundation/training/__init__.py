"""How each miniature foundation model is trained, on pictures drawn for it. Nothing that loads a model imports this."""
