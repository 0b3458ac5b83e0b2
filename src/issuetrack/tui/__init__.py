"""The terminal application. It draws and asks; what it does, the engine does."""
