"""Files as sources: exports, pages, chats."""
