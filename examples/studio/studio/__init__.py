"""Drawings on demand: an app that waits for a slow service outside."""
