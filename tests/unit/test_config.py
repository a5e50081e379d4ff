from __future__ import annotations

from pathlib import Path

import pytest

from graftage.config import Address, Settings, load_settings
from graftage.errors import SettingsError
from graftage.host.checksum import Checksum
from graftage.host.remote import RemotePlugin
from graftage.protocol.network_peer import NetworkPeer
from graftage.protocol.network_tls import TlsFiles
from graftage.protocol.reattach import ReattachData

FILE = """
# a comment
address = "0.0.0.0:80"
data = "kept"
plugins = ["one", "/two"]
query_timeout = 5
log_level = "DEBUG"

[plugin."acme-datasource"]
path = "elsewhere"
token = "s3cr3t"
limit = 3
strict = true
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "graftage.toml"
    path.write_text(FILE)
    return path


def complaint(tmp_path: Path, text: str) -> str:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as raised:
        load_settings(path, {}, {})
    return str(raised.value)


def test_without_any_setting_the_defaults_hold():
    settings = load_settings(None, {"PATH": "/bin"}, {"address": None})
    assert settings == Settings()
    assert str(settings.address) == "127.0.0.1:3000"
    assert settings.database_file == Path("graftage-data/graftage.db")
    assert settings.key_file == Path("graftage-data/secret.key")
    assert settings.plugin_folders == (Path("graftage-data/plugins"),)


def test_a_file_sets_values_and_its_relative_paths_start_from_its_folder(file, tmp_path):
    settings = load_settings(file, {}, {})
    assert settings.address == Address("0.0.0.0", 80)
    assert settings.data == tmp_path / "kept"
    assert settings.database_file == tmp_path / "kept" / "graftage.db"
    assert settings.plugins == (tmp_path / "one", Path("/two"))
    assert settings.plugin_folders == (tmp_path / "one", Path("/two"), tmp_path / "elsewhere")
    assert (settings.query_timeout, settings.log_level) == (5.0, "debug")


def test_a_plugins_own_table_becomes_texts(file):
    values = load_settings(file, {}, {}).plugin["acme-datasource"].values
    assert dict(values) == {"token": "s3cr3t", "limit": "3", "strict": "true"}


def test_secrets_do_not_show_in_a_repr(file):
    assert "s3cr3t" not in repr(load_settings(file, {}, {}))


def test_the_environment_wins_over_the_file_and_a_flag_over_both(file):
    environment = {"GRAFTAGE_QUERY_TIMEOUT": "6", "GRAFTAGE_LOG_LEVEL": "error"}
    settings = load_settings(file, environment, {"query_timeout": "7", "log_level": None})
    assert (settings.query_timeout, settings.log_level) == (7.0, "error")


def test_folders_in_one_text_are_separated_as_in_path():
    settings = load_settings(None, {"GRAFTAGE_PLUGINS": "a:/b"}, {})
    assert settings.plugins == (Path("a"), Path("/b"))


def test_no_plugin_folder_at_all_can_be_said():
    assert load_settings(None, {"GRAFTAGE_PLUGINS": ""}, {}).plugin_folders == ()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:0", Address("localhost", 0)),
        ("[::1]:3000", Address("::1", 3000)),
    ],
)
def test_an_address_is_host_and_port(text, address):
    settings = load_settings(None, {}, {"address": text})
    assert settings.address == address
    assert str(settings.address) == text


@pytest.mark.parametrize(
    "text", ["", "3000", "host", "host:", ":3000", "host:port", "host:65536", "::1:3000"]
)
def test_another_address_is_refused(text):
    with pytest.raises(SettingsError, match=r"flag --address: expected host:port, such as .*, got"):
        load_settings(None, {}, {"address": text})


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon", ""])
def test_a_duration_is_a_number_of_seconds_above_zero(value):
    with pytest.raises(SettingsError, match="flag --query-timeout: expected seconds, more than 0") as raised:
        load_settings(None, {}, {"query_timeout": value})
    assert f"got {value!r}" in str(raised.value)


def test_what_concerns_processes_is_read_from_file_and_environment(tmp_path):
    path = tmp_path / "graftage.toml"
    path.write_text(
        "stop_grace = 5\nterm_grace = 0\nsocket_dir = '/run/g'\ninherit_environment = false\n"
        "log_line_limit = 4096\nlog_rate = 10\nlog_burst = 20.5\nplugin_output = 'out'\n"
    )
    made = load_settings(path, {}, {})
    assert made == Settings(
        stop_grace=5.0,
        term_grace=0.0,
        socket_dir=Path("/run/g"),
        inherit_environment=False,
        log_line_limit=4096,
        log_rate=10.0,
        log_burst=20.5,
        plugin_output=tmp_path / "out",
    )
    variables = {
        "GRAFTAGE_STOP_GRACE": "5",
        "GRAFTAGE_TERM_GRACE": "0",
        "GRAFTAGE_SOCKET_DIR": "/run/g",
        "GRAFTAGE_INHERIT_ENVIRONMENT": "False",
        "GRAFTAGE_LOG_LINE_LIMIT": "4096",
        "GRAFTAGE_LOG_RATE": "10",
        "GRAFTAGE_LOG_BURST": "20.5",
        "GRAFTAGE_PLUGIN_OUTPUT": str(tmp_path / "out"),
    }
    assert load_settings(None, variables, {}) == made


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("stop_grace = -1", "key 'stop_grace': expected seconds, from 0 to 86400, got -1"),
        ("term_grace = 'nan'", "key 'term_grace': expected seconds, from 0 to 86400, got 'nan'"),
        ("inherit_environment = 0", "key 'inherit_environment': expected true or false, got 0"),
        ("inherit_environment = 'no'", "key 'inherit_environment': expected true or false, got 'no'"),
        ("log_line_limit = 0", "key 'log_line_limit': expected bytes, a whole number from 1024 to"),
        ("log_line_limit = 2000.5", "key 'log_line_limit': expected bytes, a whole number"),
        ("log_rate = 0", "key 'log_rate': expected lines, from 1 to"),
        ("log_burst = true", "key 'log_burst': expected lines, from 1 to"),
        ("plugin_output = ''", "key 'plugin_output': expected a folder, got ''"),
        ("socket_dir = '/" + "x" * 100 + "'", "key 'socket_dir': expected a folder with a path of"),
    ],
)
def test_a_wrong_value_is_told_with_its_key(tmp_path, line, expected):
    assert expected in complaint(tmp_path, line)


def test_a_wrong_value_in_the_environment_names_the_variable():
    with pytest.raises(
        SettingsError, match=r"environment variable GRAFTAGE_LOG_FORMAT: .*text, json, got 'xml'"
    ):
        load_settings(None, {"GRAFTAGE_LOG_FORMAT": "xml"}, {})


def test_an_unknown_variable_is_an_error_that_suggests_the_nearest():
    with pytest.raises(SettingsError, match="GRAFTAGE_ADRESS is no setting; did you mean 'GRAFTAGE_ADDRESS'"):
        load_settings(None, {"GRAFTAGE_ADRESS": "x"}, {})


@pytest.mark.parametrize("name", ["GRAFTAGE_GOLDEN", "GRAFTAGE_CONFIG", "GRAFTAGE_URL", "OTHER"])
def test_variables_that_mean_something_else_are_left_alone(name):
    assert load_settings(None, {name: "x"}, {}) == Settings()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n\nadress = 1", "bad.toml:3: key 'adress' is no setting; did you mean 'address'?"),
        (
            "log_level = 'loud'",
            "bad.toml:1: key 'log_level': expected one of trace, debug, info, warning, error",
        ),
        ("\nquery_timeout = true", "bad.toml:2: key 'query_timeout': expected seconds"),
        ("plugins = 3", "bad.toml:1: key 'plugins': expected folders"),
        ("plugins = ['a', 3]", "bad.toml:1: key 'plugins': expected folders"),
        ("database = 'postgres://db'", "bad.toml:1: key 'database': expected the path of an SQLite file"),
        ("\n[address]\nhost = 'x'", "bad.toml:2: key 'address': expected host:port"),
        ("plugin = 1", 'bad.toml:1: expected tables such as [plugin."acme-datasource"]'),
        ("[plugin]\nacme = 1", "expected a table [plugin.'acme'], not a number"),
        ("[plugin.a]\n[plugin.b]\nx = []", "bad.toml:3: key 'x' of plugin 'b': expected a text, a number or"),
        (
            "[plugin.a]\nlimit = 1\npath = 1",
            "bad.toml:3: key 'path' of plugin 'a': expected a folder, got 1",
        ),
        ("a = ", "is not TOML: Invalid value (at end of document)"),
    ],
)
def test_a_wrong_file_is_told_with_line_and_key(tmp_path, text, expected):
    assert expected in complaint(tmp_path, text)


def test_a_wrong_value_of_a_plugin_is_not_repeated(tmp_path):
    assert "s3cr3t" not in complaint(tmp_path, "[plugin.a]\ntoken = ['s3cr3t']")


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match=r"cannot read the settings file .*no\.toml: No such file"):
        load_settings(tmp_path / "no.toml", {}, {})


def test_a_file_that_is_no_text_is_an_error(tmp_path):
    path = tmp_path / "graftage.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        load_settings(path, {}, {})


def test_a_plugin_that_runs_elsewhere_is_described_by_its_table(tmp_path):
    path = tmp_path / "graftage.toml"
    path.write_text(
        """
[plugin.far]
address = "plugins.example:9000"
tls_cert = "cert.pem"
tls_key = "key.pem"
tls_ca = "/ca.pem"
tls_server_name = "far.example"
protocol_version = 1

[plugin.open]
address = "plugins.example:9001"
tls = false

[plugin.near]
address = "127.0.0.1:9002"

[plugin.attached]
reattach = '{"Protocol":"grpc","ProtocolVersion":2,"Pid":7,"Addr":{"Network":"unix","String":"/tmp/p"}}'

[plugin.checked]
sha256 = "SHA"
tls_ca = "is its own"
auto_mtls = true
multiplex = false
""".replace("SHA", "Ab" * 32)
    )
    plugins = load_settings(path, {}, {}).plugin
    files = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem", Path("/ca.pem"))
    far = NetworkPeer("plugins.example:9000", files, "far.example")
    assert plugins["far"].elsewhere == RemotePlugin(far, version=1)
    assert plugins["open"].elsewhere == RemotePlugin(NetworkPeer("plugins.example:9001", is_open=True))
    assert plugins["near"].elsewhere == RemotePlugin(NetworkPeer("127.0.0.1:9002"))
    assert plugins["attached"].elsewhere == ReattachData(2, "unix", "/tmp/p", 7)
    assert plugins["checked"].checksum == Checksum(bytes.fromhex("ab" * 32))
    assert plugins["checked"].values == {"tls_ca": "is its own"}
    assert plugins["checked"].launch == {"auto_mtls": True, "multiplex": False}


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ('auto_mtls = "yes"', "expected true or false, got 'yes'"),
        ('sha256 = "ab"', "expected 64 hexadecimal digits, got 'ab'"),
        ('sha256 = ""', "expected 64 hexadecimal digits, got ''"),
        ('address = "nowhere"', "expected host:port, where the plugin runs, got 'nowhere'"),
        ('address = "far.example:1"', "is not on this machine"),
        ('address = "far.example:1"\ntls = "no"', "expected true or false, got 'no'"),
        ('address = "far.example:1"\ntls_cert = "x"', "given a certificate but no key"),
        ('address = "far.example:1"\ntls_ca = "x"\ntls = false', "both set up and switched off"),
        ('address = "[::1]:1"\nprotocol_version = 3', "expected 1 or 2, got 3"),
        ('address = "[::1]:1"\ntoken = "s3cr3t"', "token would reach the environment of a process"),
        ('address = "[::1]:1"\nreattach = "{}"', "expected reattach data"),
        (f'address = "[::1]:1"\nsha256 = "{"ab" * 32}"', "address and sha256 exclude each other"),
    ],
)
def test_a_wrong_table_of_one_that_runs_elsewhere_is_told(tmp_path, table, part):
    message = complaint(tmp_path, f"[plugin.acme]\n{table}")
    assert part in message
    assert message.startswith(str(tmp_path / "bad.toml"))
    assert "s3cr3t" not in message
