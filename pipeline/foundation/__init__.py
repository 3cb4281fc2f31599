"""Load the foundation models from folders in their real formats, unpack the bundled ones, train the miniature."""
