"""npm packages, fetched here for the host from package-lock.json alone: npm is needed on neither side.

The lock already says which package stands at which place of node_modules and which bytes it has. What is left to do is
to choose those that fit the host (``lock``), get them from the registry (``registry``) and lay them out (``tree``).
"""

from deployer.npm.fetch import fetch_node_modules

__all__ = ["fetch_node_modules"]
