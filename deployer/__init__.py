"""One budget for one small VPS: derived from its hardware, deployed as a transaction, proved under load."""

__version__ = "0.1.0"
