"""The sample stack keeps its promises to whoever copies it; read as text and YAML, no engine."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from reconciler.cli.main import cli
from reconciler.declared.environment.values import text_of

SAMPLE = Path(__file__).parents[2] / "desired_state" / "upsignon"
SET_BY_COMPOSE_OR_RECONCILER = {"COMPOSE_PROJECT_NAME", "RECONCILER_TRAEFIK_DIR", "RECONCILER_ACME_FILE"}
OF_THE_PRODUCT = [
    "DB_USER",
    "DB_PASSWORD",
    "SESSION_SECRET",
    "SERVER_DOMAIN",
    "DASHBOARD_DOMAIN",
    "DASHBOARD_URL_PATH_PREFIX",
    "ACCESS_ALLOWED_IPS",
    "HTTP_PROXY",
    "SMTP_HOST",
    "SMTP_PORT",
    "SMTP_USER",
    "SMTP_PASSWORD",
    "SMTP_SENDING_USER",
    "SMTP_ALLOW_INVALID_CRT",
    "LETSENCRYPT_EMAIL",
    "LETSENCRYPT_HTTP_PORT",
    "LETSENCRYPT_CA_SERVER",
    "LETSENCRYPT_CA_ROOT",
    "LETSENCRYPT_EAB_KID",
    "LETSENCRYPT_EAB_HMAC",
    "DB_BACKUP_FREQUENCY",
    "MAX_DB_BACKUPS",
    "DB_BACKUPS_PATH",
]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((SAMPLE / "compose.yaml").read_text())["services"]
    return loaded


def example_lines() -> list[str]:
    return (SAMPLE / ".env.example").read_text().splitlines()


def test_every_variable_of_the_compose_file_is_explained_in_the_example() -> None:
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (SAMPLE / "compose.yaml").read_text()))
    explained = {m[1] for line in example_lines() if (m := re.match(r"(?:# )?([A-Z_]+)=", line))}
    assert used - SET_BY_COMPOSE_OR_RECONCILER <= explained


def test_every_variable_of_the_product_is_in_the_example_below_a_comment() -> None:
    lines = example_lines()
    for name in OF_THE_PRODUCT:
        place = next((i for i, line in enumerate(lines) if line.removeprefix("# ").startswith(f"{name}=")), None)
        assert place is not None, f"{name} is missing"
        assert lines[place - 1].startswith("# "), f"{name} has no comment"


def test_the_example_is_what_the_schema_makes() -> None:
    assert CliRunner().invoke(cli, ["env", "example", str(SAMPLE), "--check"]).exit_code == 0


def test_the_schema_describes_every_variable_that_is_used() -> None:
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (SAMPLE / "compose.yaml").read_text()))
    described = json.loads((SAMPLE / "env.schema.json").read_text())["properties"].keys()
    assert used - SET_BY_COMPOSE_OR_RECONCILER <= described
    assert set(OF_THE_PRODUCT) <= described


def test_a_default_is_the_same_with_the_schema_and_without_it() -> None:
    """The Compose file is of use without reconciler, too."""
    text = (SAMPLE / "compose.yaml").read_text()
    written = re.findall(r"(?<!\$)\$\{([A-Z_]+):-([^}\\$]*)\}", text)
    variables = json.loads((SAMPLE / "env.schema.json").read_text())["properties"]
    told = {name: text_of(rule["default"]) for name, rule in variables.items() if "default" in rule}
    assert {name for name, _ in written} >= told.keys()
    assert [(name, default) for name, default in written if told.get(name, default) != default] == []


def test_no_secret_has_a_value_in_the_example() -> None:
    filled = [line for line in example_lines() if re.match(r"[A-Z_]*(PASSWORD|SECRET|HMAC)=.", line)]
    assert filled == []


def test_every_service_has_a_healthcheck(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if not service.get("healthcheck", {}).get("test")] == []


def test_nothing_but_the_proxy_is_published(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if service.get("ports")] == ["traefik"]


def test_the_database_is_on_no_network_but_the_internal_one(services: dict[str, Any]) -> None:
    networks = yaml.safe_load((SAMPLE / "compose.yaml").read_text())["networks"]
    assert [networks[name] for name in services["postgres"]["networks"]] == [{"internal": True}]


@pytest.mark.parametrize("name", ["server", "dashboard"])
def test_what_the_proxy_serves_carries_the_security_headers(services: dict[str, Any], name: str) -> None:
    labels = services[name]["labels"]
    assert f"{name}-headers" in labels[f"traefik.http.routers.{name}.middlewares"].split(",")
    headers = f"traefik.http.middlewares.{name}-headers.headers."
    assert {key.removeprefix(headers) for key in labels if key.startswith(headers)} >= {
        "stsSeconds",
        "contentTypeNosniff",
        "frameDeny",
        "referrerPolicy",
    }


def test_the_dashboard_is_for_the_allowed_addresses_only(services: dict[str, Any]) -> None:
    labels = services["dashboard"]["labels"]
    assert "dashboard-allowed" in labels["traefik.http.routers.dashboard.middlewares"].split(",")
    allowed = labels["traefik.http.middlewares.dashboard-allowed.ipAllowList.sourceRange"]
    assert allowed.startswith("${ACCESS_ALLOWED_IPS:?")
