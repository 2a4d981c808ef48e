"""`minigpt check --variant`: a known mistake, its diff, the check's output.

A wrong kernel runs as plain Python, in a process below this one.
"""

import os
import subprocess
import sys

from minigpt.cli import console
from minigpt.expect import did_you_mean
from minigpt.mistakes import variants
from minigpt.mistakes.feedback import sentence


def show(name: str) -> int:
    """Print a variant of the bank; "all": the names of all.

    Raises ValueError for an unknown name.
    """
    if name == "all":
        for one in variants.bank():
            print(f"{one.name:44s} {one.killed_by}")
        print(f"{len(variants.bank())} mistakes, each with the check that kills it")
        return 0
    variant = find(name)
    if variant.is_kernel and os.environ.get("NUMBA_DISABLE_JIT") != "1":
        return _in_plain_python(name)
    _print(variant)
    return 0


def find(name: str) -> variants.Variant:
    """A variant by its name, with or without "layers.".

    Raises ValueError with the nearest name.
    """
    by_name = {one.name: one for one in variants.bank()}
    by_name |= {key.removeprefix("layers."): one for key, one in by_name.items()} | by_name
    if name not in by_name:
        near = did_you_mean(name, by_name) or "; all of them: minigpt check --variant all"
        raise ValueError(f"there is no variant {name!r}{near}")
    return by_name[name]


def _print(variant: variants.Variant) -> None:
    print(console.wrapped(f"{variant.name}: {variant.about}"))
    folder = "kernels" if variant.is_kernel else "minigpt"
    path = variant.module.removeprefix("kernels.").replace(".", "/")
    print(f"\n{folder}/{path}.py")
    print("\n...\n".join("\n".join(place) for place in variant.places))
    report = variants.kill(variant)
    failing = [line for line in report.lines if line.problem]
    print(
        f"\nkilled by {report.check.name}: {len(failing)} of {len(report.lines)} arrays are wrong"
    )
    for line in failing[:3]:
        print(console.wrapped(sentence(line), "  "))


def _in_plain_python(name: str) -> int:
    command = [sys.executable, "-m", "minigpt", "check", "--variant", name]
    return subprocess.run(command, env=os.environ | {"NUMBA_DISABLE_JIT": "1"}).returncode
