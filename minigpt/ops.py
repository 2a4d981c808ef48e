"""Which functions the model runs: the reference, the kernels, or a learner's own file laid over the
reference.

An implementation is a module that exports the contract's functions (contract.py). One that exports
only some is laid over the reference: its functions stand in for the reference's everywhere, also
inside the functions that are made of others (attention calls softmax, the MLP calls linear and
GELU). `came_from(ops)` tells which function came from where.
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
NAMES = ("numpy", "numba", "by_hand")  # the implementations that are ours
AGAIN = "uninstall any other `kernels`, then install minigpt again"
CURES = {"numba": "upgrade it (pip install --upgrade numba)", "kernels": AGAIN}


def load_ops(ops: str | Path | ModuleType | SimpleNamespace) -> ModuleType | SimpleNamespace:
    """The functions to run.

    ops: "numpy", "by_hand", "numba", the path of a file or folder of a learner's, or any module.

    A function that a module only imports from the reference is the reference's. Raises ValueError
    (no function of the contract in it, a misspelt one), FileNotFoundError, ImportError (Numba or
    `kernels` is missing or broken).
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
    """The package `kernels`. Raises ImportError if Numba or the package is missing or unusable."""
    _import("numba", missing="Numba is not installed; install it (pip install numba)")
    module = _import("kernels", missing="minigpt's package `kernels` is not installed; " + AGAIN)
    if not hasattr(module, "attention_forward"):
        whose = "is not minigpt's (Hugging Face has one of that name)"
        raise _no_kernels(f"the package `kernels` in {_folder('kernels')} {whose}; {AGAIN}")
    return module


def _import(name: str, missing: str) -> ModuleType:
    """An installed package. Raises ImportError with its place if it cannot be imported."""
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
    """Where a package lies."""
    spec = importlib.util.find_spec(name)
    return str(Path(spec.origin).parent if spec.origin else spec.submodule_search_locations[0])


def default_ops() -> str:
    """ "numba" if the kernels can be imported, else "numpy".

    Warns if Numba is installed and the kernels still cannot be imported.
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
    """The module whose adamw_step and grad_norm go with these functions: the kernels have their
    own.
    """
    return ops if hasattr(ops, "adamw_step") else importlib.import_module("minigpt.optim")


def overlay(own: dict[str, Callable]) -> SimpleNamespace:
    """The reference with some functions replaced, also where the reference's own functions call
    them.
    """
    return SimpleNamespace(
        **composed({name: getattr(layers, name) for name in CONTRACT} | own), own=tuple(own)
    )


def composed(
    functions: dict[str, Callable], wrap: Callable[[str, Callable], Callable] | None = None
) -> dict[str, Callable]:
    """All functions of the contract, those of the reference that are made of others calling the
    others given here.

    wrap(name, function), if given, returns what stands for each function, inside the others too.
    """
    made: dict[str, Callable] = {}
    for name in contract.FUNCTIONS:  # a function comes after those that it is made of
        function, pair = functions[name], contract.pair_of(name)
        if pair and pair.made_of and _is_references(name, function):
            function = calling(function, made)
        made[name] = wrap(name, function) if wrap else function
    return made


def _is_references(name: str, function: Callable) -> bool:
    """Whether it is the reference's function, or one that `calling` made of it."""
    return getattr(function, "__code__", None) is getattr(layers, name).__code__


def calling(function: Callable, others: dict[str, Callable]) -> Callable:
    """The same function, its code unchanged, for which the names in `others` mean these other
    functions.
    """
    new = FunctionType(
        function.__code__, function.__globals__ | others, function.__name__, function.__defaults__
    )
    new.__doc__ = function.__doc__
    return new


def in_double(ops: ModuleType | SimpleNamespace) -> ModuleType | SimpleNamespace:
    """The functions to take central differences of: these, or the reference's where these know
    float32 alone.
    """
    return layers if getattr(ops, "DTYPE", "") == "float32" else ops


def came_from(ops: ModuleType | SimpleNamespace) -> list[str]:
    """One line for each function that is not the reference's: its name, file and line."""
    lines = []
    for name in CONTRACT:
        function = getattr(ops, name)
        if name in getattr(ops, "own", CONTRACT) and function is not getattr(layers, name):
            lines.append(f"{name}: {where(function)}")
    return lines


def half_pairs(ops: ModuleType | SimpleNamespace) -> list[str]:
    """Of which pairs a learner has written the forward and not the backward: "gelu", ..."""
    own = getattr(ops, "own", ())
    return [
        pair.name for pair in contract.PAIRS if pair.forward in own and pair.backward not in own
    ]


def where(function: Callable) -> str:
    """file:line of a function, the file as short as it can be said."""
    function = inspect.unwrap(function)
    try:
        path = Path(inspect.getsourcefile(function))
        line = inspect.getsourcelines(function)[1]
    except (TypeError, OSError):
        return f"{getattr(function, '__module__', '?')} (no source)"
    return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{line}"


def functions_at(path: Path, more: tuple[str, ...] = (), stubs: bool = True) -> dict[str, Callable]:
    """The contract's functions in a file, or in all files of a folder.

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
            # what a file only imports is not its own
            if (
                name in known
                and getattr(layers, name, None) is not value
                and (stubs or not is_stub(value))
            ):
                if name in own:
                    raise ValueError(
                        f"ops {path}: {name} is defined twice, in {where(own[name])} and in "
                        f"{where(value)}"
                    )
                own[name] = value
        defined |= vars(module)
    if own or not more:  # a file of the course may hold nothing but stubs
        _expect_some(own, defined, str(path))
    return own


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
    """At least one function of the contract, and none misspelt: a misspelt one would silently not
    be run.
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
