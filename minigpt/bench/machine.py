"""What the measurements ran on: processor, kernels, versions.

The libraries chose their kernels for this processor.
"""

import platform
import re
from importlib import metadata

from kernels.processor import cores, processor

PACKAGES = ("numpy", "numba", "llvmlite", "torch", "threadpoolctl")
BLAS = "OpenBLAS kernel"  # a name in the report


def slug(model: str, cores: int) -> str:
    """Return the machine's name as a file name: "amd-family-26-model-2-2-cores"."""
    plural = "core" if cores == 1 else "cores"
    return re.sub("[^a-z0-9]+", "-", f"{model} {cores} {plural}".lower()).strip("-")


def this_machine() -> str:
    """Return the name of the machine that this runs on."""
    return slug(processor().model, cores())


def openblas() -> str:
    """Return the kernel that OpenBLAS chose for this processor, and its version.

    Call it before PyTorch is imported, which may load another BLAS.
    """
    import numpy  # noqa: F401  # loads its BLAS, so that it can be found

    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "not known (install threadpoolctl)"
    return blas_text(threadpool_info())


def blas_text(pools: list[dict]) -> str:
    """Return the BLAS among threadpoolctl's thread pools, as text."""
    for pool in pools:
        if pool.get("user_api") == "blas":
            kernel = pool.get("architecture") or "not named"
            library = {"openblas": "OpenBLAS"}.get(pool["internal_api"], pool["internal_api"])
            return f"{kernel}, {library} {pool.get('version')}, {pool.get('num_threads')} threads"
    return "not known (threadpoolctl found no BLAS that it knows)"


def pytorch() -> str:
    """Return the kernels that PyTorch chose, and the libraries that it calls."""
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
    """Return the version of a package, or "not installed"."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def tile() -> str:
    """Return the register tile that the kernels use here."""
    from kernels.tile import LANES, ROWS, VECTORS

    return f"{ROWS} rows x {VECTORS} vectors of {LANES} lanes"


def describe() -> dict[str, object]:
    """Return all that a reader must know about the machine, by name.

    The entry `machine` is the slug.
    """
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
