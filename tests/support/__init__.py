"""What the tests stand on: a real PostgreSQL, real server processes, and people who call them."""
