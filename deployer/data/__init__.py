"""Data files: measured constants."""
