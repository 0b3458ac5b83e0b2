"""Issues, what can be done with them and what fixed them."""
