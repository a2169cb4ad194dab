"""The sample's variables, wrong in the ways that people get them wrong, and what each is told. No message holds a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.declared.environment.checking import Verdict, check_environment
from reconciler.declared.environment.schema_file import read_schema
from reconciler.model.environment import EnvironmentSchema
from reconciler.planning.environment import EnvFile, environment_of

FILE = "env/upsignon.env"
SCHEMA = Path(__file__).parents[3] / "desired_state" / "upsignon" / "env.schema.json"
SOUND = {
    "DB_USER": "pro",
    "DB_PASSWORD": "correct-horse",
    "SERVER_DOMAIN": "vault.example.com",
    "DASHBOARD_DOMAIN": "admin.example.com",
    "DASHBOARD_URL_PATH_PREFIX": "/admin",
    "ACCESS_ALLOWED_IPS": "192.0.2.0/24",
}
# What is changed in the sound one (None: taken out), and what is told of it: behind the name of the file and, in brackets
# at the end, what the variable is for.
WRONG: list[tuple[dict[str, str | None], list[str]]] = [
    ({"DB_USER": None}, [": DB_USER: not set, but required: add DB_USER=... to the file"]),
    ({"DB_USER": ""}, [":1: DB_USER: set to nothing, but required: write its value behind DB_USER="]),
    ({"DB_PASSWORD": None}, [": DB_PASSWORD: not set, but required: add DB_PASSWORD=... to the file"]),
    ({"DB_PASSWORD": "hunter2"}, [":2: DB_PASSWORD: it has 7 characters; at least 8 are wanted"]),
    ({"DB_USER": "p r o"}, [":1: DB_USER: expected a name of letters, digits, - and _"]),
    (
        {"DB_PASSWORD": None, "DB_PASWORD": "x"},
        [': DB_PASSWORD: not set, but required; line 6 sets "DB_PASWORD", is that a slip?'],
    ),
    (
        {"SERVER_DOMAIN": "https://vault.example.com"},
        [":3: SERVER_DOMAIN: expected a domain such as vault.example.com, without https:// before it"],
    ),
    (
        {"SERVER_DOMAIN": "vault.example.com:443"},
        [":3: SERVER_DOMAIN: expected a domain such as vault.example.com, without a port or a path behind it"],
    ),
    (
        {"SERVER_DOMAIN": "vault.example.com/x"},
        [":3: SERVER_DOMAIN: expected a domain such as vault.example.com, without a port or a path behind it"],
    ),
    ({"SERVER_DOMAIN": "*.example.com"}, [":3: SERVER_DOMAIN: expected a domain such as vault.example.com, without *"]),
    ({"SERVER_DOMAIN": "vault"}, [":3: SERVER_DOMAIN: expected a domain such as vault.example.com"]),
    ({"SERVER_DOMAIN": "192.0.2.1"}, [":3: SERVER_DOMAIN: expected a domain such as vault.example.com"]),
    (
        {"SERVER_DOMAIN": "vault_1.example.com"},
        [":3: SERVER_DOMAIN: expected a domain such as vault.example.com, without _"],
    ),
    (
        {"SERVER_DOMAIN": "tresor-bücher.example.com"},
        [
            ":3: SERVER_DOMAIN: expected a domain such as vault.example.com; write an international name as its xn-- form"
        ],
    ),
    (
        {"SERVER_DOMAIN": "a.example.com,b.example.com"},
        [":3: SERVER_DOMAIN: expected a domain such as vault.example.com"],
    ),
    (
        {"SERVER_DOMAIN": "'  vault.example.com'"},
        [":3: SERVER_DOMAIN: expected a domain such as vault.example.com; there is a blank at its beginning or end"],
    ),
    (
        {"SERVER_DOMAIN": "'\"vault.example.com\"'"},
        [
            ":3: SERVER_DOMAIN: expected a domain such as vault.example.com; the quotes are part of the value, take one pair away"
        ],
    ),
    (
        {"DASHBOARD_URL_PATH_PREFIX": "admin"},
        [":5: DASHBOARD_URL_PATH_PREFIX: expected a path such as /dashboard, or / for all; begin it with /"],
    ),
    (
        {"DASHBOARD_URL_PATH_PREFIX": "/admin/"},
        [":5: DASHBOARD_URL_PATH_PREFIX: expected a path such as /dashboard, or / for all; take the / at its end away"],
    ),
    (
        {"DASHBOARD_URL_PATH_PREFIX": "/ad min"},
        [":5: DASHBOARD_URL_PATH_PREFIX: expected a path such as /dashboard, or / for all"],
    ),
    (
        {"ACCESS_ALLOWED_IPS": "192.0.2.0/33"},
        [":6: ACCESS_ALLOWED_IPS: expected an address or a network such as 192.0.2.0/24 or 2001:db8::/32"],
    ),
    (
        {"ACCESS_ALLOWED_IPS": "10.0.0.0/8,office"},
        [
            ":6: ACCESS_ALLOWED_IPS: entry 2 of the list: expected an address or a network such as 192.0.2.0/24 or 2001:db8::/32"
        ],
    ),
    (
        {"ACCESS_ALLOWED_IPS": "10.0.0.0/8,"},
        [":6: ACCESS_ALLOWED_IPS: entry 2 of the list is empty; take a comma away"],
    ),
    (
        {"ACCESS_ALLOWED_IPS": "10.0.0.0/8 192.0.2.1"},
        [
            ":6: ACCESS_ALLOWED_IPS: expected an address or a network such as 192.0.2.0/24 or 2001:db8::/32; separate several by commas"
        ],
    ),
    (
        {"HTTP_PROXY": "proxy:3128"},
        [":7: HTTP_PROXY: expected a URL such as https://vault.example.com, with http:// or https:// before it"],
    ),
    ({"HTTP_PROXY": "http://"}, [":7: HTTP_PROXY: expected a URL such as https://vault.example.com"]),
    ({"HTTP_PROXY": "socks5://proxy:1080"}, [":7: HTTP_PROXY: expected a URL such as https://vault.example.com"]),
    (
        {"SMTP_HOST": "mail.example.com"},
        [
            ": SMTP_PORT: not set, but required, because SMTP_HOST is set: add SMTP_PORT=... to the file",
            ": SMTP_SENDING_USER: not set, but required, because SMTP_HOST is set: add SMTP_SENDING_USER=... to the file",
        ],
    ),
    (
        {"SMTP_HOST": "mail.example.com:587", "SMTP_PORT": "587", "SMTP_SENDING_USER": "a@example.com"},
        [":7: SMTP_HOST: expected the name or the address of a host, such as mail.example.com, and no port"],
    ),
    ({"SMTP_PORT": "smtp"}, [":7: SMTP_PORT: expected a port, a whole number from 1 to 65535"]),
    ({"SMTP_PORT": "70000"}, [":7: SMTP_PORT: expected a port, a whole number from 1 to 65535"]),
    ({"SMTP_PORT": "0"}, [":7: SMTP_PORT: expected a port, a whole number from 1 to 65535"]),
    ({"SMTP_PORT": "587.0"}, [":7: SMTP_PORT: expected a port, a whole number from 1 to 65535"]),
    (
        {"SMTP_USER": "ann"},
        [": SMTP_PASSWORD: not set, but required, because SMTP_USER is set: add SMTP_PASSWORD=... to the file"],
    ),
    (
        {"SMTP_PASSWORD": "x"},
        [": SMTP_USER: not set, but required, because SMTP_PASSWORD is set: add SMTP_USER=... to the file"],
    ),
    (
        {"SMTP_SENDING_USER": "Vault <vault@example.com>"},
        [":7: SMTP_SENDING_USER: expected an email address such as ops@example.com"],
    ),
    ({"SMTP_ALLOW_INVALID_CRT": "yes"}, [":7: SMTP_ALLOW_INVALID_CRT: expected true or false; write true"]),
    ({"SMTP_ALLOW_INVALID_CRT": "False"}, [":7: SMTP_ALLOW_INVALID_CRT: expected true or false; write false"]),
    ({"SMTP_ALLOW_INVALID_CRT": "maybe"}, [":7: SMTP_ALLOW_INVALID_CRT: expected true or false"]),
    ({"LETSENCRYPT_EMAIL": "ops"}, [":7: LETSENCRYPT_EMAIL: expected an email address such as ops@example.com"]),
    (
        {"LETSENCRYPT_EMAIL": "ops@localhost@x"},
        [":7: LETSENCRYPT_EMAIL: expected an email address such as ops@example.com"],
    ),
    (
        {"LETSENCRYPT_CA_SERVER": "acme.example.com/directory"},
        [
            ":7: LETSENCRYPT_CA_SERVER: expected a URL such as https://vault.example.com, with http:// or https:// before it"
        ],
    ),
    (
        {"LETSENCRYPT_CA_ROOT": "/etc/ssl/ca.pem"},
        [":7: LETSENCRYPT_CA_ROOT: expected the name of a file such as ca.pem, without a folder"],
    ),
    (
        {"LETSENCRYPT_EAB_KID": "k"},
        [
            ": LETSENCRYPT_EAB_HMAC: not set, but required, because LETSENCRYPT_EAB_KID is set: add LETSENCRYPT_EAB_HMAC=... to the file"
        ],
    ),
    (
        {"DB_BACKUP_FREQUENCY": "12"},
        [
            ":7: DB_BACKUP_FREQUENCY: expected a duration such as 12h: one whole number and one of the units ms, s, m, h, d"
        ],
    ),
    (
        {"DB_BACKUP_FREQUENCY": "12 h"},
        [
            ":7: DB_BACKUP_FREQUENCY: expected a duration such as 12h: one whole number and one of the units ms, s, m, h, d"
        ],
    ),
    (
        {"DB_BACKUP_FREQUENCY": "1h30m"},
        [
            ":7: DB_BACKUP_FREQUENCY: expected a duration such as 12h: one whole number and one of the units ms, s, m, h, d"
        ],
    ),
    (
        {"DB_BACKUP_FREQUENCY": "daily"},
        [
            ":7: DB_BACKUP_FREQUENCY: expected a duration such as 12h: one whole number and one of the units ms, s, m, h, d"
        ],
    ),
    ({"MAX_DB_BACKUPS": "0"}, [":7: MAX_DB_BACKUPS: expected a whole number from 1 on"]),
    ({"MAX_DB_BACKUPS": "seven"}, [":7: MAX_DB_BACKUPS: expected a whole number such as 7"]),
    ({"MAX_DB_BACKUPS": "7.5"}, [":7: MAX_DB_BACKUPS: expected a whole number such as 7"]),
    ({"SESSION_SECRET": "short"}, [":7: SESSION_SECRET: it has 5 characters; at least 16 are wanted"]),
    (
        {"SERVER_IMAGE": "Server latest"},
        [":7: SERVER_IMAGE: expected an image such as registry.example.com/shop/web:1.2"],
    ),
    ({"HTTPS_PORT": "https"}, [":7: HTTPS_PORT: expected a port, a whole number from 1 to 65535"]),
    ({"DB_PASSWORD": "pa$word-pa$word"}, [":2: DB_PASSWORD: it has 5 characters; at least 8 are wanted"]),
    (
        {"SMTP_PORT": "587", "SMTP_HOST": "mail.example.com", "SMTP_SENDING_USER": "nobody"},
        [":9: SMTP_SENDING_USER: expected an email address such as ops@example.com"],
    ),
    (
        {"ACCESS_ALLOWED_IPS": "any"},
        [":6: ACCESS_ALLOWED_IPS: expected an address or a network such as 192.0.2.0/24 or 2001:db8::/32"],
    ),
    (
        {"SMTP_HOST": "smtps://mail.example.com", "SMTP_PORT": "465", "SMTP_SENDING_USER": "a@example.com"},
        [
            ":7: SMTP_HOST: expected the name or the address of a host such as mail.example.com, without https:// before it"
        ],
    ),
    ({"MAX_DB_BACKUPS": "-1"}, [":7: MAX_DB_BACKUPS: expected a whole number from 1 on"]),
    (
        {"DB_BACKUPS_PATH": "' ./backup'"},
        [
            ":7: DB_BACKUPS_PATH: expected a path such as ./backup or /srv/backup; there is a blank at its beginning or end"
        ],
    ),
]


@pytest.fixture(scope="module")
def schema() -> EnvironmentSchema:
    read = read_schema(SCHEMA.read_bytes(), "upsignon/env.schema.json")
    assert read.problems == ()
    assert read.schema is not None
    return read.schema


def verdict(schema: EnvironmentSchema, changes: dict[str, str | None], *tracked: str) -> Verdict:
    lines = [f"{name}={value}\n" for name, value in {**SOUND, **changes}.items() if value is not None]
    files = [EnvFile("upsignon/stack.env", text.encode()) for text in tracked]
    own = EnvFile(FILE, "".join(lines).encode(), host=True)
    return check_environment(schema, environment_of([*files, own], schema, ["SESSION_SECRET"], FILE))


def told(schema: EnvironmentSchema, changes: dict[str, str | None], *tracked: str) -> list[str]:
    found = []
    for problem in verdict(schema, changes, *tracked).problems:
        purpose = f" ({schema.variables[problem.key].description})"
        assert problem.message.endswith(purpose)
        found.append(str(problem).removesuffix(purpose).removeprefix(FILE))
    return found


def test_at_least_forty_ways_to_be_wrong_are_known() -> None:
    assert len(WRONG) >= 40


def test_a_sound_environment_is_told_nothing(schema: EnvironmentSchema) -> None:
    assert verdict(schema, {}) == Verdict()


@pytest.mark.parametrize(("changes", "expected"), WRONG, ids=[" ".join(changes) for changes, _ in WRONG])
def test_a_wrong_environment_is_told(
    schema: EnvironmentSchema, changes: dict[str, str | None], expected: list[str]
) -> None:
    assert told(schema, changes) == expected


@pytest.mark.parametrize(("changes", "_"), WRONG, ids=[" ".join(changes) for changes, _ in WRONG])
def test_no_message_holds_a_value(schema: EnvironmentSchema, changes: dict[str, str | None], _: list[str]) -> None:
    marked = {name: f"{value}hunter2" if value else value for name, value in changes.items()}
    found = verdict(schema, marked)
    assert "hunter2" not in "".join(str(problem) for problem in (*found.problems, *found.warnings))


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_lines(schema: EnvironmentSchema) -> None:
    changes = {"DB_USER": "", "SERVER_DOMAIN": "vault", "ACCESS_ALLOWED_IPS": None, "SMTP_PORT": "x", "SMTP_USER": "u"}
    places = [(problem.line, problem.key) for problem in verdict(schema, changes).problems]
    assert places == [
        (0, "ACCESS_ALLOWED_IPS"),
        (0, "SMTP_PASSWORD"),
        (1, "DB_USER"),
        (3, "SERVER_DOMAIN"),
        (6, "SMTP_PORT"),
    ]


def test_what_a_tracked_file_sets_is_told_with_its_place(schema: EnvironmentSchema) -> None:
    tracked = "# for all hosts\nSERVER_DOMAIN=https://vault.example.com\nOURS=1\n"
    (problem,) = told(schema, {"SERVER_DOMAIN": None}, tracked)
    assert problem.startswith("upsignon/stack.env:2: SERVER_DOMAIN: expected a domain")


def test_what_the_host_says_counts_before_what_git_says(schema: EnvironmentSchema) -> None:
    assert told(schema, {}, "SERVER_DOMAIN=nonsense\n") == []


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("DB_BACKUP_FREQENCY", '; did you mean "DB_BACKUP_FREQUENCY"?'),
        ("SERVER_DOMIAN", '; did you mean "SERVER_DOMAIN", which env/upsignon.env:3 sets?'),
        ("smtp_host", '; did you mean "SMTP_HOST"?'),
        ("GREETING", ""),
    ],
)
def test_an_unknown_variable_is_warned_about_with_the_nearest_name(
    schema: EnvironmentSchema, name: str, warning: str
) -> None:
    found = verdict(schema, {name: "hunter2"})
    assert found.problems == ()
    assert [str(one) for one in found.warnings] == [
        f"{FILE}:7: {name}: upsignon/env.schema.json knows no such variable{warning}"
    ]


@pytest.mark.parametrize("name", ["COMPOSE_PROFILES", "DOCKER_HOST", "RECONCILER_ANYTHING"])
def test_what_is_read_by_others_than_the_stack_is_no_unknown_variable(schema: EnvironmentSchema, name: str) -> None:
    assert verdict(schema, {name: "x"}) == Verdict()
