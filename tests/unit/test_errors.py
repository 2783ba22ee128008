"""Laws of the errors: their reasons are bounded, since they are labels of metrics and headers of dead letters."""

from __future__ import annotations

import ast
from pathlib import Path

from monitor import errors
from monitor.errors import CLASSIFIER_REASONS, DEAD_LETTER_REASONS, INVALID_REASONS, ClassifierError

PACKAGE = Path(errors.__file__).parent
BOUNDS = {"InvalidMessageError": INVALID_REASONS, "ClassifierError": CLASSIFIER_REASONS}


def reasons_given() -> dict[str, set[str]]:
    """By error, the reasons that it is raised with anywhere on the data path; the HTTP API has one of its own."""
    found: dict[str, set[str]] = {name: set() for name in BOUNDS}
    for path in sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "adapters" / "http_api.py"}):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BOUNDS:
                reasons = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
                for reason in reasons:
                    assert isinstance(reason, ast.Constant), f"{path.name}:{node.lineno}: not a word by itself"
                    found[node.func.id].add(str(reason.value))
                assert reasons or node.func.id == "ClassifierError", f"{path.name}:{node.lineno}: no reason"
    return found


def test_a_dead_letter_dies_of_a_bounded_set_of_reasons() -> None:
    """Those that are raised are those that are listed; none is listed that nothing gives."""
    found = reasons_given()
    found["ClassifierError"].add(ClassifierError("default").reason)
    assert found == {name: set(reasons) for name, reasons in BOUNDS.items()}
    assert set(DEAD_LETTER_REASONS) == set(INVALID_REASONS) | set(CLASSIFIER_REASONS)
