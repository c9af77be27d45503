"""Input that nobody means well with: raw bytes, bodies, parameters and headers."""
