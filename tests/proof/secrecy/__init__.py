"""Where a secret may have come to stand, and how it is brought to stand there."""
