"""Put a learned embedding in the place of one word of an ordinary prompt."""
