"""Starting the agent: the command, and what a failed start is called."""

import shlex

import pytest

from deployer import errors, packing
from deployer.secret import Secret
from deployer.transport.startup import explain, start


def test_root_needs_no_sudo():
    begin = start("root", Secret("unused"))
    assert shlex.split(begin.command) == [
        "exec",
        "env",
        "LC_ALL=C",
        "python3",
        "-I",
        "-S",
        "-c",
        packing.LOADER,
    ]
    assert begin.nonce == ""


def test_another_user_becomes_root_and_sudo_must_not_ask():
    assert shlex.split(start("deploy", None).command)[3:5] == ["sudo", "-n"]


def test_sudo_asks_with_a_text_that_is_new_each_time_and_the_password_is_in_no_command():
    first, second = start("deploy", Secret("hunter2")), start("deploy", Secret("hunter2"))
    assert shlex.split(first.command)[3:8] == ["sudo", "-k", "-S", "-p", first.nonce]
    assert first.nonce != second.nonce
    assert len(first.nonce) > 24
    assert "hunter2" not in first.command + repr(first)


@pytest.mark.parametrize(
    ("status", "err", "expected", "word"),
    [
        (127, "env: 'python3': No such file or directory\n", errors.AgentError, "no python3"),
        (127, "env: \u2018python3\u2019: No such file or directory\n", errors.AgentError, "no python3"),
        (1, "sudo: python3: command not found\n", errors.AgentError, "no python3"),
        (127, "", errors.AgentError, "no python3"),
        (127, "env: 'sudo': No such file or directory\n", errors.SudoError, "no sudo"),
        (78, "deployer: python3 is 3.7\n", errors.AgentError, "3.7"),
        (1, "sudo: a password is required\n", errors.SudoError, "asks for a password"),
        (
            1,
            "Sorry, try again.\nsudo: 1 incorrect password attempt\n",
            errors.SudoError,
            "refused the password",
        ),
        (1, "deploy is not in the sudoers file.\n", errors.SudoError, "may not use sudo"),
        (1, "Sorry, user deploy is not allowed to execute 'x' as root on h.\n", errors.SudoError, "may not"),
        (1, "sudo: sorry, you must have a tty to run sudo\n", errors.SudoError, "terminal"),
        (1, "sudo: PAM account management error\n", errors.SudoError, "PAM"),
        (1, "MemoryError\n", errors.AgentError, "MemoryError"),
        (None, "", errors.ConnectError, "lost"),
        (1, "", errors.AgentError, "This account is closed"),
    ],
)
def test_each_failure_has_a_name_of_its_own(status, err, expected, word):
    found = explain(status, err, "This account is closed.\n", "deploy@h")
    assert type(found) is expected
    assert word in str(found)
    assert found.exit_code == 4


def test_no_python_names_the_command_that_helps():
    assert "apt-get install --yes python3-minimal" in explain(127, "", "", "h").next_step


def test_the_transport_is_imported_without_fabric():
    import subprocess
    import sys

    code = "import deployer.transport, sys; print({'fabric', 'paramiko', 'invoke'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
