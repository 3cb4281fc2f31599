"""A learnt embedding in place of one word of an ordinary prompt."""
