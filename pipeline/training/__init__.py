"""The training loop that methods, judges and foundation models share."""
