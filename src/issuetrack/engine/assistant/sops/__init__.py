"""Standard operating procedures: their Markdown, versions, drafts and use."""
