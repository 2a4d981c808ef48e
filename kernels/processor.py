"""Which processor this is, by family and model.

The marketing name is not enough: two machines with the same name can differ by a factor of two in
their vector units. Family and model are numbers that the processor reports (the instruction cpuid;
on ARM, implementer and part).
"""

import os
import platform
from pathlib import Path
from typing import NamedTuple

# the SIMD instruction sets that a library's fastest kernels depend on
FEATURES = (
    *("avx", "avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile"),  # x86
    *("asimd", "asimdhp", "sve", "sve2", "sme"),  # ARM: asimd is NEON
)
VENDORS = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel"}


class Processor(NamedTuple):
    """A processor's model, marketing name and SIMD features."""

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
    """The processor by Python's `platform`; on Windows with family and model."""
    words = (platform.system(), platform.machine(), platform.processor())
    return Processor(" ".join(dict.fromkeys(word for word in words if word)), "", ())


def parse_cpuinfo(text: str) -> Processor | None:
    """The first processor in the text of /proc/cpuinfo, or None."""
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
    """How many logical processors this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux
    return len(allowed(0)) if allowed else os.cpu_count() or 1
