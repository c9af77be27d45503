"""The wheel holds everything and serves without this repository; image, compose file and unit are as promised."""

import gzip
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import httpx
import pytest
import yaml

from threadkeep import __version__
from threadkeep.server.web_files import WebFiles
from threadkeep.settings import Settings, variable

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "threadkeep"
SERVES = re.compile(r"^threadkeep serves (http://\S+)", re.M)
STOP_S = 20


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel that was built from it and from nothing else."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    [found] = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel; it sees the libraries of the tests, not their threadkeep."""
    environment = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", str(environment))
    python = environment / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    # A path that a .pth file adds does not read .pth files itself: the editable threadkeep there stays unknown.
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin"


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    expected = {
        str(path.relative_to(ROOT / "src"))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    names = {name for name in names_in(wheel) if ".dist-info/" not in name}

    assert names == expected
    assert {"threadkeep/py.typed", "threadkeep/web/index.html", "threadkeep/web/docs/index.html"} <= names
    assert any(name.startswith("threadkeep/database/migrations/0001_") for name in names)


def test_the_wheel_carries_its_licence_and_those_of_what_is_vendored(wheel):
    names = names_in(wheel)

    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    for folder in {name.partition("/vendor/")[0] for name in names if "/vendor/" in name}:
        assert any(name.startswith(f"{folder}/vendor/") and "LICENSE" in name for name in names), folder


def test_the_source_distribution_holds_what_a_packager_needs(built):
    [found] = built.glob("*.tar.gz")

    with tarfile.open(found) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "src/threadkeep/cli.py"} <= names
    assert not any(name.startswith(("tests/", "dist/", ".git/")) for name in names)


def test_the_installed_program_is_the_one_of_the_wheel(installed, tmp_path):
    where = run(str(installed / "python"), "-c", "import threadkeep; print(threadkeep.__file__)", cwd=tmp_path)

    assert Path(where.strip()).is_relative_to(installed.parent)
    assert str(ROOT) not in where
    assert run(str(installed / "threadkeep"), "version", cwd=tmp_path).strip() == __version__


def test_the_installed_program_serves_from_an_empty_folder(installed, tmp_path):
    with serving(installed, tmp_path) as client:
        key = re.search(r"tk_[a-z0-9]+", (tmp_path / "threadkeep-first-run.txt").read_text())
        assert key is not None

        health, page, docs = (client.get(path) for path in ("/healthz", "/", "/docs"))
        script = client.get("/web/docs/vendor/swagger-ui-bundle.js")
        created = client.post("/v1/threads", json={"title": "From the wheel"}, headers={"X-API-Key": key[0]})

    assert [health.status_code, page.status_code, docs.status_code, script.status_code] == [200] * 4
    files = WebFiles(PACKAGE / "web")
    assert page.content == gzip.decompress(files.page.file.body)
    assert docs.text == files.renamed((PACKAGE / "web" / "docs" / "index.html").read_text())
    assert (created.status_code, created.json()["title"]) == (201, "From the wheel")


def test_the_image_runs_as_nobody_special_and_is_told_to_stop_properly():
    instructions = re.findall(r"^([A-Z]+) (.+)$", (ROOT / "Dockerfile").read_text().replace("\\\n", " "), re.M)
    last = {name: text for name, text in instructions if name != "RUN"}

    assert [name for name, _ in instructions].count("FROM") == 2
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    assert last["STOPSIGNAL"] == "SIGTERM"
    # In shell form a shell would get the signal, and keep it.
    for text in (last["ENTRYPOINT"], last["CMD"], last["HEALTHCHECK"].partition("CMD ")[2]):
        assert json.loads(text)
    assert json.loads(last["CMD"])[0] == "serve"


def test_the_image_is_built_from_files_that_exist_and_are_sent_to_the_builder():
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.M)
        for name in sources.split()
    }

    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)


def test_compose_has_no_secret_of_its_own_and_waits_for_the_database():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]

    for service in services.values():
        for name, text in service["environment"].items():
            if re.search(r"SECRET$|PASSWORD$|DATABASE_URL$", name):
                assert re.search(r"\$\{\w+:\?", text), f"{name} must come from outside"
            assert "KEY" not in name or text.endswith(":-}"), name
    assert services["threadkeep"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert services["threadkeep"]["ports"] == ["127.0.0.1:${PORT:-8000}:8000"]


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "deploy/threadkeep.service"])
def test_what_runs_it_names_only_settings_that_exist(name):
    known = {variable(each.name) for each in fields(Settings)}

    used = set(re.findall(r"\bTHREADKEEP_[A-Z_]+[A-Z]\b", (ROOT / name).read_text()))

    assert used <= known


def test_the_unit_serves_as_a_user_of_its_own_and_may_write_one_folder():
    unit = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "deploy" / "threadkeep.service").read_text(), re.M))

    assert unit["User"] == "threadkeep"
    assert unit["ExecStart"].split()[1] == "serve"
    assert (unit["ProtectSystem"], unit["NoNewPrivileges"], unit["CapabilityBoundingSet"]) == ("strict", "yes", "")
    assert unit["StateDirectory"] == "threadkeep"
    assert int(unit["TimeoutStopSec"].rstrip("s")) > 2 * Settings.drain_s


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@contextmanager
def serving(bin_folder: Path, folder: Path) -> Iterator[httpx.Client]:
    """Run `threadkeep serve` in `folder` on a port that it chooses; SIGTERM must end it with 0."""
    with subprocess.Popen(
        [str(bin_folder / "threadkeep"), "serve", "--port", "0"],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            found = next((match for match in map(SERVES.match, process.stdout) if match), None)
            assert found is not None, "it ended before it served"
            with httpx.Client(base_url=found[1], trust_env=False) as client:
                yield client
        finally:
            process.terminate()
            assert process.wait(STOP_S) == 0


def clean_environment() -> dict[str, str]:
    """Return the variables of a person who has just installed it: no setting, no path to this repository."""
    return {
        name: text for name, text in os.environ.items() if not name.startswith(("THREADKEEP_", "PYTHON", "VIRTUAL"))
    }


def run(*command: str, cwd: Path | None = None) -> str:
    finished = subprocess.run(
        command, cwd=cwd, env=clean_environment(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert finished.returncode == 0, f"{command}\n{finished.stdout}{finished.stderr}"
    return finished.stdout
