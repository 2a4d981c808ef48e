"""Which functions the model runs: the reference, the kernels, a learner's file.

An implementation is a module that exports the contract's functions (contract.py). If it exports
only some, the reference supplies the others. Its functions then replace the reference's everywhere,
also inside functions that call others (attention calls softmax, the MLP calls linear and GELU).
`came_from(ops)` says where each function comes from.
"""

import ast
import difflib
import importlib.util
import inspect
import textwrap
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace

from minigpt import contract, layers
from minigpt.expect import LEARNER, where_in_file

CONTRACT = contract.FUNCTIONS
NAMES = ("numpy", "numba", "by_hand")  # the implementations of minigpt
AGAIN = "uninstall any other `kernels`, then install minigpt again"
CURES = {"numba": "upgrade it (pip install --upgrade numba)", "kernels": AGAIN}


def load_ops(ops: str | Path | ModuleType | SimpleNamespace) -> ModuleType | SimpleNamespace:
    """The functions to run.

    ops: "numpy", "by_hand", "numba", the path of a learner's file or folder, or a module. A
    function that a module only imports from the reference does not count as the module's.
    Raises ValueError (no function of the contract, or a misspelt one), FileNotFoundError,
    ImportError (Numba or `kernels` is missing or broken).
    """
    if ops == "numpy":
        return layers
    if ops == "by_hand":
        return importlib.import_module("minigpt.by_hand")
    if ops == "numba":
        return load_kernels()
    if isinstance(ops, str | Path):
        return overlay(functions_at(Path(ops), stubs=False))
    if ops is layers or hasattr(ops, "own"):  # the reference, or laid over it already
        return ops
    own = {
        name: getattr(ops, name)
        for name in CONTRACT
        if getattr(ops, name, None) not in (None, getattr(layers, name))
    }
    if len(own) == len(CONTRACT):
        return ops
    _expect_some(own, getattr(ops, "__dict__", {}), getattr(ops, "__name__", repr(ops)))
    return overlay(own)


def load_kernels() -> ModuleType:
    """The package `kernels`.

    Raises ImportError if Numba or the package is missing or unusable.
    """
    _import("numba", missing="Numba is not installed; install it (pip install numba)")
    module = _import("kernels", missing="minigpt's package `kernels` is not installed; " + AGAIN)
    if not hasattr(module, "attention_forward"):
        whose = "is not minigpt's (Hugging Face has one of that name)"
        raise _no_kernels(f"the package `kernels` in {_folder('kernels')} {whose}; {AGAIN}")
    return module


def _import(name: str, missing: str) -> ModuleType:
    """An installed package.

    Raises ImportError with its folder if it cannot be imported.
    """
    if importlib.util.find_spec(name) is None:
        raise _no_kernels(missing)
    try:
        return importlib.import_module(name)
    except Exception as error:  # a broken package may fail in any way
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        place = f"the package `{name}` in {_folder(name)}"
        raise _no_kernels(f"{place} cannot be imported ({reason}); {CURES[name]}") from error


def _no_kernels(problem: str) -> ImportError:
    return ImportError(f"ops 'numba': {problem}, or use ops 'numpy'")


def _folder(name: str) -> str:
    """The folder of a package."""
    spec = importlib.util.find_spec(name)
    return str(Path(spec.origin).parent if spec.origin else spec.submodule_search_locations[0])


def default_ops() -> str:
    """ "numba" if the kernels can be imported, else "numpy".

    Warns if Numba is installed but the kernels cannot be imported.
    """
    if importlib.util.find_spec("numba") is None:
        return "numpy"
    try:
        load_kernels()
    except ImportError as error:
        warnings.warn(f"running with NumPy, which is slower: {error}", stacklevel=2)
        return "numpy"
    return "numba"


def optimizer(ops: ModuleType | SimpleNamespace) -> ModuleType:
    """The module with adamw_step and grad_norm for these functions.

    The kernels have both; all others use minigpt.optim.
    """
    return ops if hasattr(ops, "adamw_step") else importlib.import_module("minigpt.optim")


def overlay(own: dict[str, Callable]) -> SimpleNamespace:
    """The reference with some functions replaced.

    The reference's functions call the replacements too.
    """
    return SimpleNamespace(
        **composed({name: getattr(layers, name) for name in CONTRACT} | own), own=tuple(own)
    )


def composed(
    functions: dict[str, Callable], wrap: Callable[[str, Callable], Callable] | None = None
) -> dict[str, Callable]:
    """All functions of the contract, calling each other.

    functions: name -> function. A function of the reference that calls others calls those given
    here.
    wrap: wrap(name, function), if given, returns the replacement of each function.
    """
    made: dict[str, Callable] = {}
    for name in contract.FUNCTIONS:  # a function comes after those that it is made of
        function, pair = functions[name], contract.pair_of(name)
        if pair and pair.made_of and _is_references(name, function):
            function = calling(function, made)
        made[name] = wrap(name, function) if wrap else function
    return made


def _is_references(name: str, function: Callable) -> bool:
    """Whether it is the reference's function, or a copy that `calling` made."""
    return getattr(function, "__code__", None) is getattr(layers, name).__code__


def calling(function: Callable, others: dict[str, Callable]) -> Callable:
    """A copy of a function that calls `others` by their names."""
    new = FunctionType(
        function.__code__, function.__globals__ | others, function.__name__, function.__defaults__
    )
    new.__doc__ = function.__doc__
    return new


def in_double(ops: ModuleType | SimpleNamespace) -> ModuleType | SimpleNamespace:
    """The functions for central differences, in float64.

    These, or the reference's if these have only float32.
    """
    return layers if getattr(ops, "DTYPE", "") == "float32" else ops


def came_from(ops: ModuleType | SimpleNamespace) -> list[str]:
    """Name, file and line of each function that is not the reference's."""
    lines = []
    for name in CONTRACT:
        function = getattr(ops, name)
        if name in getattr(ops, "own", CONTRACT) and function is not getattr(layers, name):
            lines.append(f"{name}: {where(function)}")
    return lines


def half_pairs(ops: ModuleType | SimpleNamespace) -> list[str]:
    """The pairs of which a learner wrote only the forward: "gelu", ..."""
    own = getattr(ops, "own", ())
    return [
        pair.name for pair in contract.PAIRS if pair.forward in own and pair.backward not in own
    ]


def where(function: Callable) -> str:
    """file:line of a function, relative to the current folder if possible."""
    function = inspect.unwrap(function)
    try:
        path = Path(inspect.getsourcefile(function))
        line = inspect.getsourcelines(function)[1]
    except (TypeError, OSError):
        return f"{getattr(function, '__module__', '?')} (no source)"
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{line}"


def functions_at(path: Path, more: tuple[str, ...] = (), stubs: bool = True) -> dict[str, Callable]:
    """Return the contract's functions in a file or in a folder's files.

    more: functions outside the contract that may be there as well.
    stubs: whether to return those too whose body only raises NotImplementedError.
    """
    known = (*CONTRACT, *more)
    if not path.exists():
        raise FileNotFoundError(
            f"ops {path}: no such file or folder; it must be numpy, numba, by_hand, or the path of "
            "your own .py file"
        )
    files = sorted(path.glob("*.py")) if path.is_dir() else [path]
    own: dict[str, Callable] = {}
    defined: dict[str, object] = {}
    for file in files:
        module = _import_file(file)
        for name, value in vars(module).items():
            if name not in known or not _is_own(name, value) or (not stubs and is_stub(value)):
                continue
            if name in own:
                places = f"in {where(own[name])} and in {where(value)}"
                raise ValueError(f"ops {path}: {name} is defined twice, {places}")
            own[name] = value
        defined |= vars(module)
    if own or not more:  # a file of the course may hold nothing but stubs
        _expect_some(own, defined, str(path))
    return own


def _is_own(name: str, value: object) -> bool:
    """Return whether a function is not the reference's, which a file may import."""
    return getattr(layers, name, None) is not value


def is_stub(function: object) -> bool:
    """Whether a function's body, after its docstring, only raises NotImplementedError."""
    try:
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
        *_, last = definition.body
    except (TypeError, OSError, SyntaxError, AttributeError, ValueError):
        return False
    rest = [one for one in definition.body if not isinstance(one, ast.Expr)]
    raised = ast.unparse(last) if rest == [last] and isinstance(last, ast.Raise) else ""
    return raised.startswith("raise NotImplementedError")


def _import_file(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"{LEARNER}{file.stem}", file)
    if spec is None:
        raise ValueError(f"ops {file}: not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a learner's file may fail in any way; say where and go no further
        place = where_in_file(error, lambda frame: frame.f_code.co_filename == str(file))
        line = getattr(error, "lineno", None) or (place.line if place else "?")
        raise ValueError(f"ops {file}: line {line}: {type(error).__name__}: {error}") from error
    return module


def _expect_some(own: dict[str, Callable], defined: dict[str, object], source: str) -> None:
    """Raises ValueError if there is no function, or a misspelt one.

    A misspelt function would silently not be run.
    """
    for name in defined:
        near = difflib.get_close_matches(name, CONTRACT, n=1, cutoff=0.85)
        if near and name not in CONTRACT and callable(defined[name]) and near[0] not in own:
            raise ValueError(
                f"ops {source}: {name} is not in the contract; did you mean {near[0]}?"
            )
    if not own:
        raise ValueError(
            f"ops {source}: holds none of the contract's functions, which are {', '.join(CONTRACT)}"
        )
