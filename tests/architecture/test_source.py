"""What the source itself has to keep to, read from its syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("audit", "consent", "referrals", "coaching", "pilot")
# Verbs of the shared machinery, each with the reason why no person or domain action stands behind it.
WITHOUT_AN_ACTOR = {
    "audit/actions.py": "takes the actor from the surrounding acting(…), so that nobody can name another",
    "pilot/web/actions.py": "keeps forms, which are about no patient",
}


def sources(*names: str) -> list[Path]:
    """The project's own modules of these names (all of them where none is given), tests and migrations left out."""
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    # `distress_views` are views as well.
    kinds = {path: path.stem.rpartition("_")[2] for path in found if "migrations" not in path.parts}
    return [path for path, kind in kinds.items() if not names or kind in names]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sources("views", "forms", "tasks"), ids=_name)
def test_views_forms_and_tasks_never_touch_objects(path: Path) -> None:
    touched = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("objects", "_default_manager")
    ]
    assert not touched, f"{_name(path)}, lines {touched}: go through a selector or an action"


WRITES = {
    "save",
    "bulk_create",
    "bulk_update",
    "get_or_create",
    "update_or_create",
    "create_user",
    "create_superuser",
}
WRITERS = {"actions", "models", "grants", "records"}


@pytest.mark.parametrize("path", sources(), ids=_name)
def test_rows_are_written_in_actions_only(path: Path) -> None:
    if path.stem in WRITERS or "demo" in path.parts:
        return
    written = [
        f"{node.lineno}: .{node.func.attr}()"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (node.func.attr in WRITES or _on_a_manager(node.func))
        and not _on_the_session(node.func)
    ]
    assert not written, f"{_name(path)}: {written}"


def _on_a_manager(func: ast.Attribute) -> bool:
    """`….objects.create(…)`, and updates and deletions of a query set of `objects`."""
    if func.attr not in ("create", "update", "delete"):
        return False
    return any(isinstance(part, ast.Attribute) and part.attr == "objects" for part in ast.walk(func.value))


def _on_the_session(func: ast.Attribute) -> bool:
    return isinstance(func.value, ast.Attribute) and func.value.attr == "session"


def public_functions(path: Path) -> Iterator[ast.FunctionDef]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


@pytest.mark.parametrize("path", sources("actions"), ids=_name)
def test_every_public_action_says_who_acts(path: Path) -> None:
    if _name(path) in WITHOUT_AN_ACTOR:
        return
    for function in public_functions(path):
        keyword_only = [argument.arg for argument in function.args.kwonlyargs]
        assert "by" in keyword_only, f"{_name(path)}: {function.name} does not take `*, by`"
        assert function.args.kw_defaults[keyword_only.index("by")] is None, (
            f"{function.name}: `by` has no default"
        )


@pytest.mark.parametrize("path", sources(), ids=_name)
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 420, f"{_name(path)} is too long: split it by subject"


@pytest.mark.parametrize("path", sources(), ids=_name)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{_name(path)} has no docstring"


def test_guardian_is_touched_by_access_alone() -> None:
    allowed = {"pilot/access/grants.py"}
    for path in sources():
        if "guardian.shortcuts" in path.read_text():
            assert _name(path) in allowed


BLAME = (
    "non-complian",
    "noncomplian",
    "disengage",
    "did not attend",
    "failed to attend",
    "no-show",
    "uncooperative",
)


def test_no_page_or_module_blames_anybody() -> None:
    pages = [
        path for suffix in ("jinja", "html", "txt") for path in (ROOT / "templates").rglob(f"*.{suffix}")
    ]
    for path in [*pages, *sources()]:
        text = path.read_text().lower()
        assert not [word for word in BLAME if word in text], _name(path)


def test_there_is_no_path_to_the_welfare_department() -> None:
    """No purpose, recipient, organisation, address or export for it: only sentences that say so."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                assert not {"dwp", "jobcentre"} & set(node.name.lower().split("_")), (
                    f"{_name(path)}: {node.name}"
                )
            if isinstance(node, (ast.Name, ast.keyword)):
                name = node.id if isinstance(node, ast.Name) else node.arg or ""
                assert not {"dwp", "jobcentre"} & set(name.lower().split("_")), f"{_name(path)}: {name}"
