"""Local VPSes with a kernel of their own: User-Mode Linux, a Linux kernel that runs as a process of the machine.

What a container cannot show, these can: sysctls, swap, control groups of version 2, an out-of-memory kill that systemd
sees, a reboot, and a power cut after which the disk holds only what was written to it. They have one core.
"""
