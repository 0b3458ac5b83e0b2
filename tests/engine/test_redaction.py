"""Secrets and personal data are masked, what only looks like them is not."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuetrack.engine.redaction import Kind, Span, find, redact, redact_value
from issuetrack.engine.redaction.spans import MASKS

GITHUB = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJlLW9mLWl0"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq3\nabcd==\n"
END = "-----END RSA PRIVATE KEY-----"

MASKED = [
    ("password=hunter2", "password=[password]"),
    ('export DB_PASSWORD="p@ss word"', 'export DB_PASSWORD="[password]"'),
    ("dbPass: 'geheim'", "dbPass: '[password]'"),
    ("rootpw=abc", "rootpw=[password]"),
    ('{"password": "x1", "a": 1}', '{"password": "[password]", "a": 1}'),
    (r"{\"password\":\"x1\"}", r"{\"password\":\"[password]\"}"),
    ("Server=x;Pwd=P@ss,w0rd;Encrypt=yes", "Server=x;Pwd=[password];Encrypt=yes"),
    ("?user=a&password=b1&ssl=true", "?user=a&password=[password]&ssl=true"),
    ("connect(password=b1c2)", "connect(password=[password])"),
    ("<password>a b</password>", "<password>[password]</password>"),
    ('<add key="Password" value="X12"/>', '<add key="Password" value="[password]"/>'),
    ("- name: PASSWORD\n  value: xy", "- name: PASSWORD\n  value: [password]"),
    ("Das Passwort lautet Sommer24!", "Das Passwort lautet [password]"),
    ("the password is `hunter`", "the password is `[password]`"),
    ("Password for admin: W1nter", "Password for admin: [password]"),
    ("mot de passe : Soleil99", "mot de passe : [password]"),
    ("密码: abc123", "密码: [password]"),
    ("kennwort „offen“", "kennwort „[password]“"),
    ("passphrase: one two three", "passphrase: [password]"),
    ("passphrase: one", "passphrase: [password]"),
    ("user bob password Hunter2!x", "user bob password [password]"),
    ("login bob password t0ps3cret", "login bob password [password]"),
    ("requirepass foobared", "requirepass [password]"),
    ("--password abc --token abc1", "--password [password] --token [token]"),
    ("def f(password: str = 'abc')", "def f(password: str = '[password]')"),
    ("password='unclosed", "password='[password]"),
    ("password=" + "ab" * 250, "password=[password]"),
    ("client_secret=8f7e6d5c", "client_secret=[token]"),
    ("session id: 7f3d9a1b", "session id: [token]"),
    ("api_key: 'a1b2c3'", "api_key: '[key]'"),
    ('"api-key": ["a1b2c3d4"]', '"api-key": ["[key]"]'),
    ("X-Api-Key: 89af7d0012bc", "X-Api-Key: [key]"),
    ("PRIVATE-TOKEN: 89af7d0012bc", "PRIVATE-TOKEN: [token]"),
    ("psk=foo12345", "psk=[key]"),
    ("AccountKey=abc+/12==;Suffix=x", "AccountKey=[key];Suffix=x"),
    ("Authorization: Bearer abc.def", "Authorization: Bearer [token]"),
    ('-H "Authorization: Basic dXNlcg=="', '-H "Authorization: Basic [token]"'),
    ('Authorization: Digest a="b", c="d"', "Authorization: Digest [token]"),
    ("got bearer abcdef123456789", "got bearer [token]"),
    ("Cookie: a=b; c=${d}; e=f", "Cookie: a=[token]; c=${d}; e=[token]"),
    ("Set-Cookie: sid=ab; Path=/", "Set-Cookie: sid=[token]; Path=/"),
    ("?sv=1&sig=abcdefghij%2B1234567890&se=1", "?sv=1&sig=[token]&se=1"),
    ("postgres://app:s3@db/x", "postgres://app:[password]@db/x"),
    ("https://abcdefghij0123456789@git.x/y", "https://[token]@git.x/y"),
    ("jdbc:oracle:thin:scott/tiger@h", "jdbc:oracle:thin:scott/[password]@h"),
    (f"clone with {GITHUB} now", "clone with [token] now"),
    ("AKIAIOSFODNN7EXAMPLE", "[key]"),
    (f"jwt {JWT}.", "jwt [jwt]"),
    (f"a\n{PEM}{END}\nb", "a\n[key]\nb"),
    (f"{PEM}and more", "[key]\nand more"),
    ("Private-Lines: 1\nAAAAB3Nz\n", "Private-Lines: 1\n[key]"),
    ("mysql -uroot -pS3c shop", "mysql -uroot -p[password] shop"),
    ("curl -u admin:letmein http://x", "curl -u admin:[password] http://x"),
    ("docker login -u b -p hunter2", "docker login -u b -p [password]"),
    ("echo bob:pw1 | chpasswd", "echo bob:[password] | chpasswd"),
    ("mysql -pab\nls", "mysql -p[password]\nls"),
    ("mail bob.x@example.com.", "mail [email]."),
    ("'bob@example.com'", "'[email]'"),
    ("?to=bob%40example.com", "?to=[email]"),
    ("call +49 89 1234567", "call [phone]"),
    ("(415) 555-0132, 415-555-0132", "[phone], [phone]"),
    ("01 23 45 67 89 / 089/1234567", "[phone] / [phone]"),
    ("tel: 5550132", "tel: [phone]"),
    ("card 4111 1111 1111 1111", "card [card]"),
    ("378282246310005", "[card]"),
]

LEFT = [
    "password=${DB_PASSWORD} password=**** password=<password> password=",
    "secret: null, token: None, password=[password], passwd=%PW% pwd={{ pw }}",
    '"password": "", "token": "[token]", "secret": "the-secret-name"',
    "def f(password: str, token: Optional[str]) -> None: password = self.password",
    "password = get_password(); token = config.auth.token; secret = os.environ['S']",
    "password is wrong, password: incorrect, the token is expired",
    "password authentication failed for user 'app'",
    "token abcdef, secret 'xyz1', token_type=bearer, max_tokens=100, token: 512",
    "secretName: my-tls, secret: db-credentials, key=value, primary key: 4711abcd",
    "my-password abcdef, bypass=1234 compass: north, PWD=/home/bob, passphrase: is not set here",
    "passphrase: #",
    "<password></password> <password>${X}</password>",
    "<token>null</token> password is 5 days old, password is wrong!",
    "postgres://app:${PW}@db/x https://db:5432/x http://host/a@b",
    "Cookie: none Authorization: Bearer ${TOKEN}",
    "git@github.com:org/x.git root@db01 icon@2x.png getty@tty1.service @home a@",
    "bob@db.example.com:/srv ssh root@db01.example.com uptime .'@example.com",
    "https://bob@example.com/x",
    "5f3a8c7de0a1b2c3d4e5f60718293a4b5c6d7e8f",
    "123e4567-e89b-12d3-a456-426614174000",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "2026-01-05T12:00:00+02:00 2026-01-05 12:00:00,123 1700000000123 10.0.0.12",
    "4111 1111 1111 1112, 0000 0000 0000 0000, 9999999999999995, 30000000000000",
    "+1234567, (2026) 123, intel: 12345678 hotel 1234567",
    "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQ\n-----END PUBLIC KEY-----",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 bob@laptop",
    "docker run -p 8080:80 -u 1000:1000; curl -u 1:8080:80 x; mysql -p",
    "mymysql -pabc; mysql -p${PW}; docker login -p --password-stdin",
    "--password --verbose",
]


@pytest.mark.parametrize(("text", "expected"), MASKED)
def test_values_are_masked(text: str, expected: str) -> None:
    """Only the value goes, and once is enough."""
    assert redact(text) == expected
    assert redact(expected) == expected


@pytest.mark.parametrize("text", LEFT)
def test_the_rest_is_left(text: str) -> None:
    """Placeholders, types, digests, times and names are no secrets."""
    assert redact(text) == text


def test_spans_tell_place_and_kind() -> None:
    """find() gives spans in order, apart from each other."""
    text = "bob@example.com password=x1"
    assert find(text) == [Span(0, 15, Kind.EMAIL), Span(25, 27, Kind.PASSWORD)]
    assert text[25:27] == "x1"


def test_overlapping_finds_are_one() -> None:
    """A secret inside or across another is masked with it."""
    assert redact(f"token={GITHUB}") == "token=[token]"
    assert redact(f"password='{GITHUB} bob@example.com'") == "password='[password]'"


def test_nested_values() -> None:
    """Texts are redacted at every depth, and whole under a secret's name."""
    value = {
        "password": "correct horse",
        "apiKey": ["a", ("b", 1)],
        "token": "[token]",
        "secret": "",
        "note": "password=x1",
        "bob@example.com": None,
        7: [True],
    }
    assert redact_value(value) == {
        "password": "[password]",
        "apiKey": ["[key]", ("[key]", 1)],
        "token": "[token]",
        "secret": "",
        "note": "password=[password]",
        "[email]": None,
        7: [True],
    }


@pytest.mark.parametrize("text", ["\udcff", "\0", "password=\udcff\0x", "İ password=x"])
def test_odd_characters_do_no_harm(text: str) -> None:
    """Lone surrogates, NUL and letters that grow in lower case are taken."""
    assert redact(redact(text)) == redact(text)
    assert redact("İİ password=x1") == "İİ password=[password]"


PIECES = st.sampled_from(
    [text for text, _ in MASKED] + LEFT + [*MASKS, " ", "\n", "=", ":", "'", '"', "\\"]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=6))
def test_redacting_twice_changes_nothing(parts: list[str]) -> None:
    """What is redacted holds nothing more to redact."""
    once = redact("".join(parts))
    assert redact(once) == once


@settings(max_examples=200, deadline=None)
@given(
    st.from_regex(r"[A-Z][a-z]{2}[0-9]{2}[A-Za-z0-9!#%+~]{6,20}[0-9]", fullmatch=True),
    st.sampled_from(
        [
            "password={}",
            'x "password": "{}"',
            "a://b:{}@c/d",
            "the password is {} now",
            "--token {}",
            "Authorization: Bearer {}",
            "mysql -p{} db",
        ]
    ),
    st.text(max_size=20),
)
def test_no_masked_value_survives(value: str, form: str, around: str) -> None:
    """A secret in any of these places is gone, whatever stands on other lines."""
    assert value not in redact(f"{around}\n{form.format(value)}\n{around}")


TRIGGERS = [
    *(
        "password=",
        'password="',
        "password: ",
        "key=f(",
        "api_key=f(",
        "pwd: [",
        "pwd=",
    ),
    *("-----BEGIN PRIVATE KEY-----\n", "eyJ", "eyJaaaaa.", "a@", "a@a.", "+49 ", "0"),
    *("(415) ", "4 ", "4111 1111 ", "://a:", "mysql -p ", "curl -u a:", "Cookie: a="),
    *(
        "Authorization: ",
        "bearer ",
        "ghp_",
        "SG.",
        "tel: 1",
        "&sig=",
        "passphrase: a\n",
    ),
    *("<password ", "password (", "password for a b ", 'password \\"', "@", "%40a"),
    *("echo a | sudo -S ", "Private-Lines: 1\nAAAA", "login a password ", "[password]"),
]


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_time_grows_with_length_only(trigger: str) -> None:
    """A text eight times as long takes not much more than eight times as long."""

    def seconds(length: int) -> float:
        text = (trigger * length)[:length]
        return min(_timed(text) for _ in range(3))

    short, long = seconds(10_000), seconds(80_000)
    assert long < 0.3 or long < short * 24


def _timed(text: str) -> float:
    before = time.perf_counter()
    find(text)
    return time.perf_counter() - before


def test_masks_are_the_kinds() -> None:
    """Each mask is its kind in brackets."""
    assert all(re.fullmatch(r"\[[a-z]+\]", mask) for mask in MASKS)
    assert {f"[{kind}]" for kind in Kind} == MASKS
