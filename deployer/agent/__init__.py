"""The program that runs on the host: standard library and Python >= 3.9, packed and sent, never installed."""
