from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

import graftage
from graftage.cli import main as command_line
from graftage.cli.main import COMMANDS, Command, main
from graftage.errors import BadRequest, GraftageError, PluginUnavailable, SettingsError


@pytest.fixture
def command(monkeypatch):
    """Makes `graftage test` run a function."""

    def install(function):
        module = type(sys)("graftage_test_command")
        module.add_parser = lambda commands: commands.add_parser("test").set_defaults(run=function)
        monkeypatch.setitem(sys.modules, "graftage_test_command", module)
        monkeypatch.setitem(COMMANDS, "test", Command("graftage_test_command", "for a test"))

    return install


def raising(error):
    def function(_args):
        raise error

    return function


def test_a_commands_status_is_the_programs(command):
    command(lambda _args: 3)
    assert main(["test"]) == 3


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SettingsError("no such setting"), 2),
        (BadRequest("no such time"), 2),
        (PluginUnavailable("plugin is down"), 1),
        (GraftageError("else"), 1),
    ],
)
def test_an_error_is_one_line_and_a_status(command, capsys, error, status):
    command(raising(error))
    assert main(["test"]) == status
    assert capsys.readouterr() == ("", f"graftage: {error}\n")


def test_a_missing_package_tells_how_to_get_it(command, capsys):
    command(raising(ModuleNotFoundError("No module named 'sqlalchemy.orm'", name="sqlalchemy.orm")))
    assert main(["test"]) == 2
    assert "pip install 'graftage[server]'" in capsys.readouterr().err


def test_a_module_of_our_own_that_is_missing_is_a_bug(command):
    command(raising(ModuleNotFoundError("No module named 'graftage.nope'", name="graftage.nope")))
    with pytest.raises(ModuleNotFoundError):
        main(["test"])


def test_an_interrupt_ends_without_a_traceback(command):
    command(raising(KeyboardInterrupt()))
    assert main(["test"]) == 130


def test_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["--help"])
    assert raised.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown and command.help in shown for name, command in COMMANDS.items())


def test_help_and_version_import_no_command():
    code = (
        "import sys, contextlib\n"
        "from graftage.cli.main import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "print(sorted({'grpc', 'numpy', 'sqlalchemy', 'uvicorn', 'rich'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("\n[]\n")


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as raised:
        main(["--version"])
    assert raised.value.code == 0
    assert capsys.readouterr().out == f"graftage {graftage.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["--nonsense"]])
def test_a_wrong_command_line_has_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert "usage: graftage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["serve", "--plugin", "x"],
            "graftage serve: error: there is no flag --plugin, did you mean --plugins?",
        ),
        (["serve", "--config=x", "--zzz"], "graftage serve: error: there is no flag --zzz; see"),
        (["serve", "x"], "graftage serve: error: unexpected x; see graftage serve --help"),
        (
            ["relay", "install", "x", "--too", "y"],
            "graftage relay install: error: there is no flag --too, did you mean --to?",
        ),
    ],
)
def test_what_a_command_does_not_know_is_told_by_that_command(arguments, told, capsys):
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert capsys.readouterr().err.startswith(told)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_its_own(name, capsys):
    with pytest.raises(SystemExit) as raised:
        main([name, "--help"])
    assert raised.value.code == 0
    assert f"usage: graftage {name}" in capsys.readouterr().out


def test_a_closed_pipe_is_no_error():
    code = (
        "import sys\n"
        "from graftage.cli.main import COMMANDS, Command, main\n"
        "module = type(sys)('m')\n"
        "def run(args):\n"
        "    for _ in range(100_000): print('line')\n"
        "    return 0\n"
        "module.add_parser = lambda commands: commands.add_parser('test').set_defaults(run=run)\n"
        "sys.modules['m'] = module\n"
        "COMMANDS['test'] = Command('m', '')\n"
        "sys.exit(main(['test']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == command_line.PIPE_CLOSED


@pytest.mark.parametrize(("output", "status"), [(">&-", 0), (">/dev/full", 1)])
def test_an_output_that_takes_nothing_is_no_traceback(tmp_path, output, status):
    command = shlex.join([sys.executable, "-m", "graftage", "plugins", "--plugins", str(tmp_path)])
    ended = subprocess.run(["sh", "-c", f"{command} {output}"], capture_output=True, text=True, check=False)
    assert ended.returncode == status
    assert "Traceback" not in ended.stderr
