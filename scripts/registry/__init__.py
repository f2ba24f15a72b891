"""Makes deployer/services/*/registry.json: what every release of a server knows, asked of the server itself."""
