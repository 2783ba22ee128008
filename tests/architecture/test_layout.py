"""Laws of the layout: sizes, names, docstrings, imports, and who may do what."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from inspect import signature
from pathlib import Path

import pytest

from monitor.adapters import redis_keys
from monitor.adapters.redis_keys import RedisKeys
from monitor.messages import Bucket

ROOT = Path(__file__).parents[2]
PACKAGES = ("monitor", "pipelines")
BANNED_NAMES = {"utils", "helpers", "common", "misc", "base", "manager"}
MAX_MODULE_LINES, MAX_FUNCTION_LINES, MAX_DOCSTRING_LINES = 400, 40, 5
CLOCK = ROOT / "monitor" / "adapters" / "system_clock.py"
# What reads the wall clock; the monotonic one measures durations and may be read where processes are waited for.
WALL_CLOCKS = {
    "time": {"time", "time_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
# A key of each kind, by the builder that makes it; `band` and the like stand for any name.
KEY_ARGUMENTS = {"partition": 0, "seconds": 60, "bucket": Bucket(60, 0), "start_ms": 0, "subject": ("topic", "Macro"),
                 "document_id": "a", "story_id": "a", "band": "0:ff", "topic": "news.raw", "chunk": 1}  # fmt: skip


def modules(*folders: str) -> list[Path]:
    """Every Python file below folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a module."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(node: ast.stmt) -> int:
    """How many lines a statement takes."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def name_of(path: Path) -> str:
    """A module's path as it is shown."""
    return str(path.relative_to(ROOT))


def test_modules_fit_their_limit() -> None:
    """Tests included."""
    sizes = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules(*PACKAGES, "tests")}
    assert sizes
    assert {name: size for name, size in sizes.items() if size > MAX_MODULE_LINES} == {}


def test_functions_fit_their_limit() -> None:
    """Readable in one sitting; what is said of its arguments is not counted."""
    sizes = {
        f"{name_of(path)}:{node.name}": lines_of(node) - (lines_of(node.body[0]) if ast.get_docstring(node) else 0)
        for path in modules(*PACKAGES, "tests")
        for node in functions(path)
    }
    assert {name: size for name, size in sizes.items() if size > MAX_FUNCTION_LINES} == {}


def test_names_say_what_is_in_a_module() -> None:
    """None of the names that say nothing."""
    paths = [path.relative_to(ROOT) for path in modules(*PACKAGES, "tests")]
    assert [str(path) for path in paths if BANNED_NAMES & {*path.parts, path.stem}] == []


def test_every_module_says_what_it_owns() -> None:
    """In a docstring of at most five lines; errors.py and redis_keys.py draw their table in it, packages the path."""
    drawn = {"monitor/errors.py", "monitor/adapters/redis_keys.py", "monitor/__init__.py"}
    for path in modules(*PACKAGES):
        docstring = ast.get_docstring(tree_of(path))
        empty_package = path.name == "__init__.py" and not path.read_text(encoding="utf-8").strip()
        assert docstring or (empty_package and path.parent == ROOT / "pipelines"), f"{name_of(path)} has no docstring"
        lines = len((docstring or "").splitlines())
        assert lines <= MAX_DOCSTRING_LINES or name_of(path) in drawn, f"{name_of(path)}: a docstring of {lines} lines"


@pytest.mark.parametrize("package", sorted({path.parent for path in modules("monitor")}), ids=name_of)
def test_every_package_has_a_docstring(package: Path) -> None:
    """Whoever reads the folder list reads the data path."""
    assert ast.get_docstring(tree_of(package / "__init__.py"))


def test_every_test_states_its_law_in_one_line() -> None:
    """Its name is the law, its docstring what is meant by it."""
    for path in modules("tests"):
        for node in functions(path):
            if node.name.startswith("test_"):
                docstring = ast.get_docstring(node)
                assert docstring, f"{name_of(path)}:{node.name} has no docstring"
                assert len(docstring.splitlines()) == 1, f"{name_of(path)}:{node.name} says more than a line"


def test_imports_point_inward() -> None:
    """The contracts of pyproject.toml hold."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_the_system_clock_reads_the_time() -> None:
    """Everything else is told it, so that a replay can tell another."""
    found = []
    for path in modules(*PACKAGES):
        if path == CLOCK:
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                if node.attr in WALL_CLOCKS.get(owner, ()):
                    found.append(f"{name_of(path)}:{node.lineno} {owner}.{node.attr}")
            elif isinstance(node, ast.ImportFrom) and node.module == "time":
                found += [
                    f"{name_of(path)}:{node.lineno} {n.name}" for n in node.names if n.name in WALL_CLOCKS["time"]
                ]
    assert found == []


def test_every_redis_key_is_in_the_table() -> None:
    """What a builder makes has the shape of a row of redis_keys' docstring, and every row has its builder."""
    rows = [line.split("|")[1].strip() for line in (redis_keys.__doc__ or "").splitlines() if line.startswith("| P:")]
    shapes = {row: re.compile(re.sub(r"<[^>]+>", "(.+)", re.escape(row).replace(r"\{n\}", r"\{0\}"))) for row in rows}
    keys, built = RedisKeys("P"), {}
    for name, builder in vars(RedisKeys).items():
        if not name.startswith("_") and not name.endswith("_prefix"):  # a prefix is the beginning of keys, not a key
            arguments = [KEY_ARGUMENTS[parameter] for parameter in list(signature(builder).parameters)[1:]]
            built[name] = builder(keys, *arguments)
    matched = {name: [row for row, shape in shapes.items() if shape.fullmatch(key)] for name, key in built.items()}
    assert {name: key for name, key in built.items() if not matched[name]} == {}
    assert set(rows) == {row for found in matched.values() for row in found}


def test_redis_keys_are_built_in_one_place() -> None:
    """No adapter puts a key together by itself."""
    for path in modules("monitor"):
        if path.name != "redis_keys.py":
            assert "key_prefix}" not in path.read_text(encoding="utf-8"), name_of(path)
