"""Numbers about how well it works."""
