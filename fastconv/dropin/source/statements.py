"""Running a file statement by statement, so that what it defines can be had although it does not come to its end.

Everything runs, as in ``python file.py``, up to the first statement that fails, exits or is known to end the process.
Below it definitions alone run: what else stands there counted on that statement.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from types import ModuleType
from typing import NamedTuple

from fastconv.dropin.source.blocks import Block, cell_of, parse
from fastconv.dropin.source.stand_ins import MissingImport, MissingImportError, names_of_ipython


class Place(NamedTuple):
    """Where a statement begins: the name of its block, the line and the column."""

    block: str
    line: int
    column: int = 0


class Missing(NamedTuple):
    """Something that could not be imported: where, and why."""

    place: Place
    why: str


Begin = Callable[[Place], None]

_IMPORTS = (ast.Import, ast.ImportFrom)
_DEFINITIONS = (*_IMPORTS, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass)


@dataclass
class Course:
    """How far somebody's files came.

    Parameters
    ----------
    avoided : set of Place
        Statements that end the process or take too long, known from another process; not run.
    begin : callable
        Told where each statement stands before it runs.

    Attributes
    ----------
    stops : dict of Place to BaseException or None
        For each file that stopped, where, and what was raised; None for a statement that is avoided.
    missing : dict of str to Missing
        What could not be imported.
    """

    avoided: Set[Place] = frozenset()
    begin: Begin = lambda place: None
    stops: dict[Place, BaseException | None] = field(default_factory=dict)
    missing: dict[str, Missing] = field(default_factory=dict)


def run_blocks(blocks: Sequence[Block], module: ModuleType, course: Course) -> None:
    """Run blocks in a module, as far as they run; below where they stop, the definitions.

    Parameters
    ----------
    blocks : sequence of Block
        A file, or the cells of a notebook.
    module : module
        Where names are bound.
    course : Course
        What is avoided, and what is written down.

    Raises
    ------
    SyntaxError
        If the one block cannot be parsed. A cell among others is one that stops.
    """
    names = vars(module)
    if any("get_ipython" in block.text for block in blocks) or len(blocks) > 1:
        names.update(names_of_ipython())
    run = _Run(names, course)
    for block in blocks:
        try:
            tree = parse(block)
        except SyntaxError as error:
            if len(blocks) == 1:
                raise
            run.stop(Place(block.filename, error.lineno or 1), error)
            continue
        run.block(tree, block.filename)


class _Run:
    """One module while it runs."""

    def __init__(self, names: dict[str, object], course: Course) -> None:
        self._names, self._course, self._stopped, self._flags = names, course, False, 0
        self._package = names.get("__package__")

    def stop(self, place: Place, error: BaseException | None) -> None:
        """Write down the first place where it stops."""
        if not self._stopped:
            self._course.stops[place] = error
        self._stopped = True

    def block(self, tree: ast.Module, filename: str) -> None:
        """Run the statements of a block."""
        self._flags |= _future_flags(tree)
        for statement in tree.body:
            if cell_of(filename):
                _keep_no_cache(statement)
            place = Place(filename, statement.lineno, statement.col_offset)
            if self._stopped and not is_definition(statement):
                continue
            if place in self._course.avoided:
                self._avoid(statement, place)
            elif isinstance(statement, _IMPORTS):
                self._import(statement, place)
            else:
                self._statement(statement, place)

    def _statement(self, statement: ast.stmt, place: Place) -> None:
        try:
            self._execute(statement, place)
        except MissingImportError:  # it is about what is missing, and about nothing else
            pass
        except BaseException as error:  # noqa: BLE001 (theirs: whatever it is, it is reported)
            self.stop(place, error)

    def _import(self, statement: ast.Import | ast.ImportFrom, place: Place) -> None:
        """Import name by name; a stand-in for those that cannot be imported."""
        for alias in statement.names:
            try:
                self._execute(self._single(statement, alias), place)
            except Exception as error:  # noqa: BLE001 (whatever a module raises, it cannot be imported)
                self._stand_in(statement, alias, place, " ".join(str(error).split()) or type(error).__name__)
            except BaseException as error:  # noqa: BLE001 (it exits)
                self.stop(place, error)

    def _single(self, statement: ast.Import | ast.ImportFrom, alias: ast.alias) -> ast.stmt:
        """Return the import of one name; "from .near import f" of a file in no package is "from near import f"."""
        alone = isinstance(statement, ast.ImportFrom) and statement.level == 1 and not self._package
        if isinstance(statement, ast.Import) or (alone and statement.module is None):
            return ast.copy_location(ast.Import([alias]), statement)
        return ast.copy_location(ast.ImportFrom(statement.module, [alias], 0 if alone else statement.level), statement)

    def _avoid(self, statement: ast.stmt, place: Place) -> None:
        for alias in statement.names if isinstance(statement, _IMPORTS) else ():
            self._stand_in(statement, alias, place, "it does not come to an end")
        self.stop(place, None)

    def _stand_in(self, statement: ast.stmt, alias: ast.alias, place: Place, why: str) -> None:
        module = statement.module if isinstance(statement, ast.ImportFrom) else None
        name = f"{module}.{alias.name}" if module and alias.name != "*" else module or alias.name
        self._course.missing.setdefault(name, Missing(place, why))
        if alias.name != "*":
            said = f"{name} could not be imported ({cell_of(place.block)}line {place.line}): {why}"
            bound = alias.asname or (alias.name if module else alias.name.partition(".")[0])
            self._names.setdefault(bound, MissingImport(name, said))  # "import scipy.gone" leaves scipy as it is

    def _execute(self, statement: ast.stmt, place: Place) -> None:
        self._course.begin(place)
        code = compile(ast.Module([statement], []), place.block, "exec", self._flags, dont_inherit=True)
        exec(code, self._names)


def _future_flags(tree: ast.Module) -> int:
    """What ``from __future__ import …`` changes for the compiler."""
    flags = 0
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                feature = getattr(importlib.import_module("__future__"), alias.name, None)
                flags |= 0 if feature is None else feature.compiler_flag
    return flags


def _keep_no_cache(statement: ast.stmt) -> None:
    """Take ``cache=True`` from decorators: Numba keeps what it compiles beside a file, and a cell is none."""
    for decorator in getattr(statement, "decorator_list", ()):
        if isinstance(decorator, ast.Call):
            decorator.keywords = [keyword for keyword in decorator.keywords if keyword.arg != "cache"]


def is_definition(statement: ast.stmt) -> bool:
    """Whether a statement only says what names mean: imports, functions, classes, constants, and choices among them.

    Examples
    --------
    >>> source = "SIZES = [3, 5]; EPS = 1e-8; x = load(); train(); x[0] = 1"
    >>> [is_definition(statement) for statement in ast.parse(source).body]
    [True, True, False, False, False]
    """
    if isinstance(statement, _DEFINITIONS):
        return True
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return all(isinstance(target, ast.Name) for target in targets) and not _calls(statement)
    if isinstance(statement, ast.If):
        return not _calls(statement.test) and all(map(is_definition, [*statement.body, *statement.orelse]))
    if isinstance(statement, ast.Try):
        handled = [each for handler in statement.handlers for each in handler.body]
        return all(map(is_definition, [*statement.body, *handled, *statement.orelse, *statement.finalbody]))
    return False


def _calls(node: ast.AST) -> bool:
    """Whether running it calls something; what stands in a lambda is not run."""
    if isinstance(node, ast.Lambda):
        return False
    return isinstance(node, (ast.Call, ast.Await)) or any(map(_calls, ast.iter_child_nodes(node)))
