"""AWS Signature Version 4, against the vectors that AWS publishes (aws-sig-v4-test-suite)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from graftage.errors import PluginFault, SettingsError
from graftage.sdk.http_settings import SigV4
from graftage.sdk.sigv4 import SigningKey, sign, signing_key_of

NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
URL = "https://example.amazonaws.com"
KEY = SigningKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service")
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "signature"),
    [
        ("GET", "/", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            {},
            b"",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET",
            f"/{UNRESERVED}",
            {},
            b"",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        ("GET", "/ሴ", {}, b"", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        (
            "GET",
            "/?%E1%88%B4=bar",
            {},
            b"",
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
        (
            "POST",
            "/?%40%23%24%25%5E=&%2B=/%2C%3F%3E%3C%60%22%3B%3A%5C%7C%5D%5B%7B%7D",
            {},
            b"",
            "66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e",
        ),
        (
            "GET",
            "/",
            {"My-Header1": " value1 ", "My-Header2": ' "a   b   c"'},
            b"",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "POST",
            "/",
            {"My-Header1": "VALUE1"},
            b"",
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        ),
        (
            "POST",
            "/",
            FORM,
            b"Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
)
def test_a_signature_is_that_of_the_published_vector(method, path, headers, body, signature):
    added = sign(KEY, method, URL + path, headers, body, now=NOW)
    assert added["Authorization"].endswith(f"Signature={signature}")
    assert added["X-Amz-Date"] == "20150830T123600Z"


@pytest.mark.parametrize("path", ["/example/..", "/./", "//", "/example1/example2/../.."])
def test_a_path_is_signed_as_what_it_means(path):
    expected = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    assert expected in sign(KEY, "GET", URL + path, {}, b"", now=NOW)["Authorization"]


def test_the_example_of_s3_is_signed_as_in_its_documentation():
    key = SigningKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3")
    url = "https://examplebucket.s3.amazonaws.com/test.txt"
    added = sign(key, "GET", url, {"Range": "bytes=0-9"}, b"", now=datetime(2013, 5, 24, tzinfo=UTC))
    assert "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" in added["Authorization"]


def test_headers_that_change_on_the_way_are_not_signed():
    plain = sign(KEY, "GET", URL, {}, b"", now=NOW)
    assert sign(KEY, "GET", URL, {"User-Agent": "x", "Connection": "close"}, b"", now=NOW) == plain


def test_a_session_token_is_sent_and_signed():
    key = SigningKey("AKIDEXAMPLE", "secret", "us-east-1", "service", session_token="session")
    added = sign(key, "GET", URL, {}, b"", now=NOW)
    assert added["X-Amz-Security-Token"] == "session"
    assert "x-amz-security-token" in added["Authorization"]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (SigV4(region="eu-central-1", access_key="a"), "sigV4SecretKey"),
        (SigV4(region="", access_key="a", secret_key="b"), "sigV4Region"),
        (SigV4("eu-central-1", "ec2_iam_role", access_key="a", secret_key="b"), "cannot use .*ec2_iam_role"),
        (
            SigV4("eu-central-1", "keys", assume_role_arn="arn:x", access_key="a", secret_key="b"),
            "cannot use an assumed role",
        ),
    ],
)
def test_settings_that_cannot_sign_are_told(settings, complaint):
    with pytest.raises(SettingsError, match=complaint):
        signing_key_of(settings, "aps")


def test_a_plugin_that_names_no_service_is_told():
    with pytest.raises(PluginFault, match="aws_service"):
        signing_key_of(SigV4("eu-central-1", "keys", access_key="a", secret_key="b"), "")


def test_keys_do_not_show():
    key = signing_key_of(SigV4("eu-central-1", access_key="a", secret_key="hush", session_token="shh"), "es")
    assert "hush" not in repr(key)
    assert "shh" not in repr(key)
