"""What was made of the drawn world against its truth; read by reports alone, never by training."""
