"""Suggestions from past issues, each line cited."""
