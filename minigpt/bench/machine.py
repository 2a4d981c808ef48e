"""What the measurements ran on: the processor, the kernels that the libraries chose for it, the
versions.

The marketing name of a processor is not enough: two machines with the same name can differ by a
factor of two in their vector units. Family and model are the numbers that the processor itself
gives (the instruction cpuid; on ARM, implementer and part).
"""

import os
import platform
import re
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

# the SIMD instructions that decide which kernels a library can run
FEATURES = (
    *("avx", "avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile"),  # x86
    *("asimd", "asimdhp", "sve", "sve2", "sme"),  # ARM: asimd is NEON
)
VENDORS = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel"}
PACKAGES = ("numpy", "numba", "llvmlite", "torch", "threadpoolctl")
BLAS = "OpenBLAS kernel"  # a name in the report


class Processor(NamedTuple):
    """A processor, as it calls itself."""

    model: str  # "AMD family 26 model 2"
    name: str  # "AMD EPYC": the marketing name, or ""
    features: tuple[str, ...]  # those of FEATURES that it has

    def __str__(self) -> str:
        return f"{self.model} ({self.name})" if self.name else self.model


def processor() -> Processor:
    """This machine's processor."""
    info = Path("/proc/cpuinfo")
    found = parse_cpuinfo(info.read_text(encoding="utf-8")) if info.exists() else None
    return found or named_by_the_system()


def named_by_the_system() -> Processor:
    """What Python's `platform` says; on Windows that has family and model in it."""
    words = (platform.system(), platform.machine(), platform.processor())
    return Processor(" ".join(dict.fromkeys(word for word in words if word)), "", ())


def parse_cpuinfo(text: str) -> Processor | None:
    """The processor in the text of /proc/cpuinfo (the first, if they differ); None without one."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    has = (fields.get("flags") or fields.get("Features") or "").split()
    features = tuple(feature for feature in FEATURES if feature in has)
    if "cpu family" in fields:
        vendor = fields.get("vendor_id", "x86")
        numbers = f"family {fields['cpu family']} model {fields.get('model', 'unknown')}"
        model = f"{VENDORS.get(vendor, vendor)} {numbers}"
    elif "CPU part" in fields:
        model = f"ARM implementer {fields.get('CPU implementer', '')} part {fields['CPU part']}"
    else:
        return None
    return Processor(model, fields.get("model name", ""), features)


def cores() -> int:
    """How many processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def slug(model: str, cores: int) -> str:
    """The machine's name as a file name: "amd-family-26-model-2-2-cores"."""
    plural = "core" if cores == 1 else "cores"
    return re.sub("[^a-z0-9]+", "-", f"{model} {cores} {plural}".lower()).strip("-")


def this_machine() -> str:
    """The name of the machine that this runs on."""
    return slug(processor().model, cores())


def openblas() -> str:
    """The kernel that OpenBLAS chose for this processor, and its version.

    Call it before PyTorch is imported, which may bring a BLAS of its own.
    """
    import numpy  # noqa: F401  # loads its BLAS, so that it can be found

    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "not known (install threadpoolctl)"
    return blas_text(threadpool_info())


def blas_text(pools: list[dict]) -> str:
    """The BLAS among the thread pools that threadpoolctl lists, as text."""
    for pool in pools:
        if pool.get("user_api") == "blas":
            kernel = pool.get("architecture") or "not named"
            library = {"openblas": "OpenBLAS"}.get(pool["internal_api"], pool["internal_api"])
            return f"{kernel}, {library} {pool.get('version')}, {pool.get('num_threads')} threads"
    return "not known (threadpoolctl found no BLAS that it knows)"


def pytorch() -> str:
    """Which of its kernels PyTorch chose, and which libraries it calls."""
    try:
        import torch
    except ImportError:
        return "not installed"
    capability = torch.backends.cpu.get_cpu_capability()
    libraries = {"MKL": torch.backends.mkl, "oneDNN": torch.backends.mkldnn}
    used = [
        f"{'with' if on.is_available() else 'without'} {name}" for name, on in libraries.items()
    ]
    return ", ".join([f"capability {capability}", *used, "eager, float32, CPU"])


def version(package: str) -> str:
    """The version of a package, or "not installed"."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def tile() -> str:
    """The register tile that the kernels use here."""
    from kernels.tile import LANES, ROWS, VECTORS

    return f"{ROWS} rows x {VECTORS} vectors of {LANES} lanes"


def describe() -> dict[str, object]:
    """All that a reader must know of the machine, by name. The name `machine` is the slug."""
    here = processor()
    blas = openblas()  # before PyTorch
    return {
        "machine": this_machine(),
        "processor": str(here),
        "SIMD features": ", ".join(here.features) or "not known",
        "cores used": cores(),
        "kernels' tile": tile(),
        BLAS: blas,
        "PyTorch": pytorch(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }
