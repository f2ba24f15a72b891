"""The sandbox: local VPSes of a given size, real Debian hosts with systemd and sshd, on one Linux machine as root.

A host is an LXC container with its own address, its memory and processors limited and, by lxcfs, visible as its
own. What it cannot show is a kernel of its own: sysctls, out-of-memory handling and reboots are the machine's. Another
kind of host has one, and is slower: see :mod:`deployer.sandbox.uml`.
"""

from deployer.sandbox.host import SandboxHost
from deployer.sandbox.inside import Ended, Inside, inside
from deployer.sandbox.lifecycle import cut_power, down, down_all, generator_cpus, hosts, power_on, reset, up
from deployer.sandbox.link import thin_link
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.requirements import install_requirements, missing_requirements
from deployer.sandbox.shape import OWN_KERNEL, SHARED_KERNEL
from deployer.sandbox.snapshots import drop_snapshot, save_snapshot, snapshots
from deployer.sandbox.suites import SUITES, suite_with
from deployer.sandbox.trees import TREES, MadeTree, Recipe, debian_tree, made_trees

__all__ = [
    "OWN_KERNEL",
    "SHARED_KERNEL",
    "SUITES",
    "TREES",
    "Ended",
    "Inside",
    "MadeTree",
    "Recipe",
    "SandboxError",
    "SandboxHost",
    "cut_power",
    "debian_tree",
    "down",
    "down_all",
    "drop_snapshot",
    "generator_cpus",
    "hosts",
    "inside",
    "install_requirements",
    "made_trees",
    "missing_requirements",
    "power_on",
    "reset",
    "save_snapshot",
    "snapshots",
    "suite_with",
    "thin_link",
    "up",
]
