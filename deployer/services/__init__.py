"""The services that deployer knows, one folder each; they do not import one another."""
