"""threadkeep keeps conversation threads for products with an AI assistant."""

__version__ = "0.1.0"
