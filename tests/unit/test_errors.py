"""The house rules of errors, over every class and every place that makes one."""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import stella
from stella.about.catalogue import error_classes
from stella.kernel.errors import Exit, StellaError

ROOT = Path(stella.__file__).parent
CLASSES = error_classes()


def subclasses(kind: type[StellaError]) -> Iterator[type[StellaError]]:
    for below in kind.__subclasses__():
        yield below
        yield from subclasses(below)


@pytest.fixture(scope="module", autouse=True)
def _everything_imported() -> None:
    for module in pkgutil.walk_packages(stella.__path__, "stella."):
        if not module.name.endswith(("__main__", "delta_worker")):
            importlib.import_module(module.name)


def test_every_class_lives_in_an_errors_module_and_is_in_the_catalogue() -> None:
    found = {kind for kind in subclasses(StellaError) if kind.__module__.startswith("stella.")}
    assert {kind.__module__ for kind in found if not kind.__module__.endswith(".errors")} == set()
    assert found == set(CLASSES.values())


@pytest.mark.parametrize("kind", CLASSES.values(), ids=str)
def test_a_class_says_all_that_a_person_needs(kind: type[StellaError]) -> None:
    list(string.Formatter().parse(kind.template() + kind.hint))
    assert kind.template().endswith("."), "the message is a sentence"
    assert kind.explanation(), "`stella explain` has something to say"
    assert kind.explanation().endswith(".")
    assert kind.reason
    assert kind.reason == kind.reason.lower()
    assert isinstance(kind.exit, Exit)
    assert kind.exit is not Exit.OK
    assert not kind.hint.endswith("."), "a hint is no sentence"
    assert all(name.isidentifier() for name in kind.fields())
    made = kind(**dict.fromkeys(kind.fields(), "{x}"))
    assert made.message
    assert made.problem()["code"] == kind.code


def name_of(node: ast.AST | None) -> str:
    """The class that an expression such as `errors.X` or `X` names; empty for any other."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


@functools.cache
def constructions() -> list[tuple[str, str, set[str]]]:
    """Place, class name and keywords of each construction of an error class; `raise X` is one without any."""
    names = {kind.__name__ for kind in CLASSES.values()}
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and name_of(node.func) in names:
                words = {word.arg or "**" for word in node.keywords} | {"positional" for _ in node.args}
                found.append((f"{path.name}:{node.lineno}", name_of(node.func), words))
            elif isinstance(node, ast.Raise) and name_of(node.exc) in names:
                found.append((f"{path.name}:{node.lineno}", name_of(node.exc), set()))
    return found


def test_every_construction_passes_exactly_the_facts_of_its_class() -> None:
    fields = {kind.__name__: set(kind.fields()) for kind in CLASSES.values()}
    assert len(fields) == len(CLASSES), "two classes of one name"
    found = constructions()
    assert len(found) > len(CLASSES) / 2, "the scan sees the code"
    wrong = [
        f"{place}: {name} takes {fields[name]}, got {words}" for place, name, words in found if words != fields[name]
    ]
    assert wrong == []


def test_every_class_is_used() -> None:
    used = {name for _, name, _ in constructions()}
    assert {kind.__name__ for kind in CLASSES.values()} - used == set()
