"""Packing: the same modules give the same bytes, and they run with nothing installed."""

import subprocess
import sys

import pytest

from deployer import packing

SOURCES = {
    "__init__": '"""A package."""\n',
    "main": "from . import other\nfrom deployer.demo.other import VALUE\n"
    "def start(arguments):\n    print(VALUE, arguments)\n    return other.fail() if arguments else 7\n",
    "other": "VALUE = 'ü\\\\n'\ndef fail():\n    raise RuntimeError('told')\n",
}


def pack(sources=SOURCES):
    return packing.pack(sources, package="deployer.demo", entry="main")


def run(*arguments, data=b""):
    argv = [sys.executable, "-I", "-S", *arguments]
    return subprocess.run(argv, input=data, capture_output=True, check=False, timeout=30)


def test_the_order_of_the_modules_does_not_matter():
    backwards = dict(reversed(SOURCES.items()))
    assert pack().text == pack(backwards).text
    assert pack().wire == pack(backwards).wire
    assert pack().sha256 == pack(backwards).sha256


def test_a_changed_module_changes_the_name():
    assert pack().sha256 != pack({**SOURCES, "other": SOURCES["other"] + "\n"}).sha256


def test_an_entry_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no module"):
        pack({"other": ""})


def test_the_loader_runs_the_program_and_leaves_what_lies_behind_it():
    sources = {
        **SOURCES,
        "main": "import os\ndef start(_):\n    os.write(1, os.read(0, 99))\n    return 3\n",
    }
    done = run("-c", packing.LOADER, data=pack(sources).wire + b"the request")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"DEPLOYER-AGENT 1\nthe request", b"")


def test_the_text_runs_as_a_file_too_and_knows_its_own_text(tmp_path):
    file = tmp_path / "agent.py"
    main = "import sys\ndef start(arguments):\n    print(sys.modules[__package__].PROGRAM, end='')\n    return 0\n"
    program = pack({**SOURCES, "main": main})
    file.write_text(program.text, encoding="utf-8")
    assert run(str(file)).stdout.decode() == program.text
    assert run("-c", packing.LOADER, data=program.wire).stdout.decode() == "DEPLOYER-AGENT 1\n" + program.text


def test_a_traceback_shows_the_line_of_a_packed_module():
    main = (
        "import traceback\nfrom . import other\ndef start(arguments):\n"
        "    try:\n        other.fail()\n    except RuntimeError:\n        print(traceback.format_exc())\n"
        "    return 0\n"
    )
    done = run("-c", packing.LOADER, data=pack({**SOURCES, "main": main}).wire)
    assert b"raise RuntimeError('told')" in done.stdout
    assert b'File "<deployer.demo.other>", line 3, in fail' in done.stdout


@pytest.mark.parametrize("cut", [0, 5, 10, 40])
def test_a_cut_program_does_not_run(cut):
    done = run("-c", packing.LOADER, data=pack().wire[:cut])
    assert done.returncode == 79


ECHO = {
    **SOURCES,
    "main": "import os, sys\ndef start(_):\n"
    "    os.write(1, sys.modules[__package__].AHEAD + os.read(0, 99))\n    return 3\n",
}


def test_a_program_that_the_host_has_kept_is_only_named(tmp_path):
    program = pack(ECHO)
    (tmp_path / f"{program.sha256}.py").write_text(program.text, encoding="utf-8")
    done = run("-c", packing.loader(f"{tmp_path}/"), data=program.named(b"the request") + b" and its blob")
    assert (done.returncode, done.stdout) == (3, b"DEPLOYER-AGENT 1\nkept\nthe request and its blob")


@pytest.mark.parametrize("there", [None, b"", b"print('another text')"])
def test_a_program_that_is_not_there_or_not_itself_is_sent_behind_the_request(tmp_path, there):
    program = pack(ECHO)
    if there is not None:
        (tmp_path / f"{program.sha256}.py").write_bytes(there)
    data = program.named(b"the request") + program.wire + b" and its blob"
    done = run("-c", packing.loader(f"{tmp_path}/"), data=data)
    assert (done.returncode, done.stdout) == (3, b"DEPLOYER-AGENT 1\nsend\nthe request and its blob")


def test_the_loader_passes_any_shell_as_one_word():
    assert not set(packing.LOADER) & set("'\n$!`")
    assert len(packing.LOADER) < 1000


def test_an_old_python_is_told_before_anything_is_read():
    old = "import sys; sys.version_info = (3, 7, 3);" + packing.LOADER
    done = run("-c", old)
    assert done.returncode == 78
    assert done.stderr == b"deployer: python3 is 3.7\n"
    assert done.stdout == b""


def test_the_agent_is_packed_whole_and_imports_nothing_of_ours():
    sources = packing.module_sources("deployer.agent")
    assert {"__init__", "main", "frames", "observe", "transaction"} <= set(sources)
    for name, text in sources.items():
        assert "from deployer" not in text, name
        assert "import deployer" not in text, name
