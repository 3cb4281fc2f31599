"""Compare results on the drawn world with its truth. Only reports read these checks, never training."""
