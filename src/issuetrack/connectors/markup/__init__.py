"""Rich text to Markdown."""
