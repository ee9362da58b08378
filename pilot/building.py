"""`make setup`: the virtual environment, the locked packages, the static files. Standard library only.

It runs before anything is installed, on whatever Python there is, so its syntax stays old enough to say so.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent
VENV = BASE / ".venv"
MODULES = BASE / "node_modules"
VENDOR = BASE / "static" / "vendor"
OLDEST_PYTHON = (3, 11)
SPACE_NEEDED = 1_500_000_000
ENVIRONMENT = """# Made by `make setup`; .env.example says what else can stand here.
PILOT_MODE=demo
PILOT_DEMO=1
"""
# `run` is what the demo needs; `all` adds what tests and checks need.
LOCKS = {"run": "demo.txt", "all": "development.txt"}
NO_NETWORK = [
    "name resolution",
    "NewConnectionError",
    "Network is unreachable",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ETIMEDOUT",
    "ECONNREFUSED",
    "Connection refused",
    "Read timed out",
    "No matching distribution found",
]


class SetupError(Exception):
    """Set-up cannot go on; the message is one sentence for whoever typed the command."""


def build(level: str) -> None:
    """Bring this clone up to its locks. Quick when nothing changed; safe to run twice at once."""
    check_python()
    from pilot.place import make_home

    home = BASE / ".pilot"
    make_home(home)
    with open(home / "setup.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _make_environment_file()
        _install_python_packages(level)
        _install_node_packages(level)
        _build_vendor()


def check_python() -> None:
    """Refuse a Python that is too old."""
    if sys.version_info < OLDEST_PYTHON:
        raise SetupError(
            "Python 3.11 or newer is needed, not %d.%d: install one, or name it by `make PYTHON=… run`."
            % sys.version_info[:2]
        )


def _make_environment_file() -> None:
    """A clone on somebody's own machine is a demo unless its `.env` says otherwise."""
    file = BASE / ".env"
    if not file.exists():
        file.write_text(ENVIRONMENT)


def _install_python_packages(level: str) -> None:
    wanted = {name: _digest(BASE / "requirements" / LOCKS[name]) for name in LOCKS}
    place = "%s %s" % (BASE, sys.version)
    stamp = _read_stamp(VENV)
    if stamp.get("place") != place:
        stamp = {"place": place}
        _make_venv()
    # The fuller lock holds everything of the other, at the same versions.
    installed = [name for name in ("all", level) if stamp.get(name) == wanted[name]]
    if not installed:
        _say("Installing Python packages (the first time this takes about a minute)")
        _pip_install(BASE / "requirements" / LOCKS[level])
        if level == "all":
            _compile()
        stamp[level] = wanted[level]
    if not shutil.which("npm") and stamp.get("node") != _digest(BASE / "requirements" / "node.txt"):
        _say("Installing npm, which this machine does not have")
        _pip_install(BASE / "requirements" / "node.txt")
        stamp["node"] = _digest(BASE / "requirements" / "node.txt")
    _write_stamp(VENV, stamp)


def _make_venv() -> None:
    _say("Making a virtual environment in .venv")
    _check_space()
    shutil.rmtree(VENV, ignore_errors=True)
    _run(
        [sys.executable, "-m", "venv", str(VENV)],
        "Python cannot make a virtual environment here (on Debian and Ubuntu: install python3-venv).",
    )


def _pip_install(lock: Path) -> None:
    _check_space()
    command = [
        str(VENV / "bin" / "python"),
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--no-deps",
        "--no-compile",
    ]
    command += [
        "--only-binary",
        ":all:",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
    ]
    _run([*command, "--requirement", str(lock)], "pip could not install %s." % lock.relative_to(BASE))


def _compile() -> None:
    """Byte code of all packages, made by every core: checks and tests start dozens of programs, several at once, each of
    which would make what it needs for itself. What cannot be compiled is compiled when it is needed, as ever.
    """
    command = [str(VENV / "bin" / "python"), "-m", "compileall", "-q", "-j", "0", str(VENV / "lib")]
    subprocess.run(command, cwd=BASE, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def _install_node_packages(level: str) -> None:
    wanted = _digest(BASE / "package-lock.json")
    stamp = _read_stamp(MODULES)
    if wanted in (stamp.get("all"), stamp.get(level)):
        return
    _say("Installing static assets")
    _check_space()
    npm = shutil.which("npm") or str(VENV / "bin" / "npm")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]
    _run(command + ["--omit=dev"] * (level == "run"), "npm could not install package-lock.json.")
    _write_stamp(MODULES, {level: wanted})


def _build_vendor() -> None:
    """Copy the design system, without the fonts it would fetch from elsewhere."""
    source = MODULES / "nhsuk-frontend" / "dist" / "nhsuk"
    wanted = _digest(BASE / "package-lock.json", Path(__file__))
    if _read_stamp(VENDOR).get("all") == wanted:
        return
    _say("Building static files")
    target = VENDOR / "nhsuk"
    shutil.rmtree(VENDOR, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("nhsuk-frontend.min.css", "nhsuk-frontend.min.js"):
        (target / name).write_text(_self_contained(name, (source / name).read_text("utf-8")), "utf-8")
    shutil.copytree(source / "assets" / "images", target / "images")
    _write_stamp(VENDOR, {"all": wanted})


def _self_contained(name: str, text: str) -> str:
    """The file without fonts from another host and without a pointer to a map that is not shipped."""
    text = re.sub(r"@font-face\s*\{[^}]*\}", "", text)
    # The images lie beside the style sheet here, not at the root of the site.
    text = text.replace("url(/assets/images/", "url(images/")
    text = re.sub(r"Frutiger W01\s*,\s*", "", text)
    text = re.sub(r"/[*/]# sourceMappingURL=\S+?(?:\s*\*/|\s*$)", "", text)
    if name.endswith(".css") and "://" in text:
        raise SetupError(
            "%s of nhsuk-frontend would load something from another host; look at it before going on." % name
        )
    return text


def _check_space() -> None:
    free = shutil.disk_usage(BASE).free
    if free < SPACE_NEEDED:
        raise SetupError(
            "There is too little disk space: %d MB are free and set-up needs about %d."
            % (free // 10**6, SPACE_NEEDED // 10**6)
        )


def _run(command: list[str], otherwise: str) -> None:
    done = subprocess.run(
        command,
        cwd=BASE,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode == 0:
        return
    output = done.stdout.decode(errors="replace")
    if "No space left" in output or "ENOSPC" in output:
        raise SetupError("There is no space left on the disk.")
    if any(sign in output for sign in NO_NETWORK):
        raise SetupError(
            "The package registry cannot be reached: check this machine's network and try again."
        )
    last_words = "\n".join(output.strip().splitlines()[-15:])
    raise SetupError("%s\n%s" % (otherwise, last_words))


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _read_stamp(directory: Path) -> dict[str, str]:
    try:
        return dict(json.loads((directory / ".stamp.json").read_text()))
    except (OSError, ValueError):
        return {}


def _write_stamp(directory: Path, stamp: dict[str, str]) -> None:
    (directory / ".stamp.json").write_text(json.dumps(stamp))


def _say(sentence: str) -> None:
    print(sentence + " …", flush=True)


def forget() -> None:
    """Delete what this machine keeps: data, keys, the tests' browser. Refused while in use."""
    from pilot import embedded, running

    if running.is_running():
        raise SetupError("The pilot is running; stop it first (Ctrl-C where `make run` was typed).")
    try:
        for home in (BASE / ".pilot" / "test", BASE / ".pilot"):
            embedded.forget(home)
    except embedded.EmbeddedServersError as error:
        raise SetupError(str(error)) from error
    _say("The data of this clone is forgotten; packages stay")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["run", "all", "vendor", "forget"])
    verb = parser.parse_args().verb
    started = time.monotonic()
    try:
        if verb == "forget":
            forget()
        elif verb == "vendor":
            _build_vendor()
        else:
            build(verb)
            if time.monotonic() - started > 5:
                _say("Set up in %d seconds" % (time.monotonic() - started))
    except SetupError as error:
        sys.exit(str(error))
    except PermissionError as error:
        sys.exit("%s belongs to another user: run as that user, or delete it." % error.filename)
    except KeyboardInterrupt:
        sys.exit("Stopped; run it again to go on.")


if __name__ == "__main__":
    main()
