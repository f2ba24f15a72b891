"""`invoke --list` in this folder shows what deployer can do; the tasks themselves are in deployer/tasks/."""

from deployer.tasks import namespace

__all__ = ["namespace"]
