"""Takes in what sources say."""
