"""Synthetic worlds of insects and their sounds, drawn for the demo and for tests."""
