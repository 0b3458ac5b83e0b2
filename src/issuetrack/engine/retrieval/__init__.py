"""Finding past issues by words and by meaning."""
