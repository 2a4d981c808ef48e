"""Tests of the benchmark, on very small work.

The figures mean nothing.
"""

import os
import sys

import numpy as np
import pytest

pytest.importorskip("numba")

from kernels import peak
from kernels.processor import cores, named_by_the_system, parse_cpuinfo
from minigpt.bench import machine, report
from minigpt.bench.cases import GROUPS, Case
from minigpt.bench.environment import peer_environment, removed, removed_text
from minigpt.bench.limits import Limits, run
from minigpt.bench.run import Result, measure
from minigpt.cli import main
from minigpt.cli.bench import results_file, write

TINY = Case("matmul", "tiny", "matmul", ("y", 4, 5, 6, False), 240.0, ("numba", "numpy"), 2)
RESULT = Result(TINY, {"numba": [1e-9, 1e-8, 1e-9], "numpy": [2e-9, 2e-8, 2.2e-9]})
LIMITS = Limits(peak=480.0, sgemm=240.0, bandwidth=30.0)

AMD = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
model name\t: AMD EPYC
flags\t\t: fpu sse2 fma avx avx2 avx512f avx512_bf16

processor\t: 1
vendor_id\t: AuthenticAMD
cpu family\t: 26
model\t\t: 2
"""
INTEL = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 158
model name\t: Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz
flags\t\t: fpu sse2 avx fma avx2
"""
ARM = """processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes asimdhp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""


# ---- measuring


def test_two_peers_in_processes_of_their_own():
    (result,) = measure([TINY])
    assert all(len(times) == 2 and min(times) > 0 for times in result.seconds.values())
    assert result.ratio("numpy") > 0 and "tiny" in report.line(result, 100.0)


def test_the_ratio_is_taken_within_a_round():
    """The ratio is the median of the rounds' ratios.

    The second round was ten times as slow for both peers.
    """
    assert RESULT.ratio("numpy") == pytest.approx(2.0)
    assert "x2.00 (geometric mean of 1; least x2.00)" in str(report.summary([RESULT])[0])


def test_every_case_has_a_label_of_its_own():
    labels = [(group, case.label) for group, cases in GROUPS.items() for case in cases()]
    assert len(set(labels)) == len(labels)


def test_an_unknown_group(capsys):
    assert main(["bench", "nothing"]) == 1
    assert "there is no benchmark 'nothing'; give some of matmul, gelu" in capsys.readouterr().err


def test_the_peak_is_that_of_a_product():
    """The peak's loop computes C + 2 A B.

    A and B fit the L1 cache.
    It makes two calls in each of two threads.
    """
    assert 4 * (peak.A + peak.B) <= 32 * 1024
    numbers = np.random.default_rng(0).standard_normal(2 * peak.SHARE, np.float32)
    before = numbers.reshape(2, peak.SHARE).astype(np.float64)
    peak.tiles(numbers, 2, 2)
    a, b, c, _ = np.split(before, np.cumsum([peak.A, peak.B, peak.C]), axis=1)
    products = a.reshape(2, -1, peak.ROWS).mT @ b.reshape(2, -1, peak.COLUMNS)
    after = numbers.reshape(2, peak.SHARE)[:, peak.A + peak.B :][:, : peak.C]
    np.testing.assert_allclose(after, c + 2 * products.reshape(2, -1), rtol=1e-4, atol=1e-4)
    assert peak.peak_gflops(turn=0.0, rounds=1) > 0


# ---- the environment


def test_the_settings_of_a_library_do_not_reach_a_peer():
    theirs = {
        "OPENBLAS_CORETYPE": "Haswell",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "-avx512f",
        "ATEN_CPU_CAPABILITY": "avx2",
        "DNNL_MAX_CPU_ISA": "AVX2",
        "KMP_AFFINITY": "compact",
        "MINIGPT_TILE": "avx2",
    }
    kept = {"PATH": "/bin", "NUMBA_CACHE_DIR": "/cache", "HOME": "/"}
    assert removed(theirs | kept) == theirs
    assert peer_environment(theirs | kept, NUMBA_NUM_THREADS="1") == kept | {
        "NUMBA_NUM_THREADS": "1"
    }
    assert removed_text(removed(theirs)).startswith("ATEN_CPU_CAPABILITY='avx2', DNNL_")
    assert removed_text(removed(kept)) == "none was set"


def test_a_process_starts_without_them(monkeypatch):
    """Removed variables are not in a real process that a measurement starts."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    script = "import json, os; print(json.dumps(sorted(os.environ)))"
    names = run(script, NUMBA_NUM_THREADS="1")
    assert "OPENBLAS_CORETYPE" not in names and "NUMBA_NUM_THREADS" in names


def test_a_peer_starts_without_them(monkeypatch):
    started = []
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr("subprocess.Popen", lambda command, **options: started.append(options))
    from minigpt.bench.run import Worker

    Worker("numpy"), Worker("numba1")
    assert not any("OMP_NUM_THREADS" in options["env"] for options in started)
    assert [options["env"].get("NUMBA_NUM_THREADS") for options in started] == [None, "1"]


# ---- the machine


@pytest.mark.parametrize(
    ("text", "model", "name", "features", "slug"),
    [
        (
            AMD,
            "AMD family 26 model 2",
            "AMD EPYC",
            ("avx", "avx2", "fma", "avx512f", "avx512_bf16"),
            "amd-family-26-model-2-2-cores",
        ),
        (
            INTEL,
            "Intel family 6 model 158",
            "Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz",
            ("avx", "avx2", "fma"),
            "intel-family-6-model-158-2-cores",
        ),
        (
            ARM,
            "ARM implementer 0x41 part 0xd0c",
            "",
            ("asimd", "asimdhp"),
            "arm-implementer-0x41-part-0xd0c-2-cores",
        ),
    ],
)
def test_a_processor_by_family_and_model(text, model, name, features, slug):
    assert parse_cpuinfo(text) == (model, name, features)
    assert machine.slug(model, 2) == slug


def test_other_systems_have_a_readable_name(monkeypatch):
    """Systems without these numbers (RISC-V), or without cpuinfo, have a name."""
    assert parse_cpuinfo("processor : 0\nisa : rv64imafdc\n") is None
    for name, said in {"system": "Windows", "machine": "AMD64", "processor": "AMD64"}.items():
        monkeypatch.setattr(f"platform.{name}", lambda said=said: said)
    assert str(named_by_the_system()) == "Windows AMD64"
    assert machine.slug("../Windows AMD64", 1) == "windows-amd64-1-core"


def test_openblas_names_its_kernel():
    pools = [
        {"user_api": "openmp", "internal_api": "openmp"},
        {
            "user_api": "blas",
            "internal_api": "openblas",
            "version": "0.3.31",
            "architecture": "SkylakeX",
            "num_threads": 2,
        },
    ]
    assert machine.blas_text(pools) == "SkylakeX, OpenBLAS 0.3.31, 2 threads"
    assert machine.blas_text(pools[:1]).startswith("not known (threadpoolctl found no BLAS")


def test_without_threadpoolctl_and_pytorch_the_report_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    text = report.markdown([RESULT], machine.describe(), LIMITS, {}, [], "minigpt bench")
    assert "* OpenBLAS kernel: not known (install threadpoolctl)\n" in text
    assert "* PyTorch: not installed\n" in text


def test_with_threadpoolctl_the_report_names_the_kernel():
    pytest.importorskip("threadpoolctl")
    facts = machine.describe()
    assert "install threadpoolctl" not in facts["OpenBLAS kernel"]
    assert f"cores used: {cores()}" in report_of(**facts)


# ---- the report


def report_of(**facts) -> str:
    """Return a results file of one result."""
    facts = {"machine": "amd-2-cores", **facts}
    gone = {"OPENBLAS_CORETYPE": "Haswell"}
    return report.markdown([RESULT], facts, LIMITS, gone, ["more"], "minigpt bench --out here")


def test_a_results_file():
    text = report_of(processor="AMD family 26 model 2 (AMD EPYC)")
    assert "Written for the machine `amd-2-cores` by `minigpt bench --out here`." in text
    assert "* processor: AMD family 26 model 2 (AMD EPYC)" in text
    assert "* settings removed: OPENBLAS_CORETYPE='Haswell'\n" in text
    assert "OpenBLAS sgemm 2048 x 2048 x 2048 240 GFLOP/s (50% of peak)" in text
    assert "GFLOP/s | of peak |" in text
    assert "| tiny | 1e-06 | 2.2e-06 | 240 | 50% | 2.00 |" in text


def test_each_machine_has_its_own_file(tmp_path, capsys):
    """A run replaces this machine's file, and leaves another machine's."""
    pytest.importorskip("matplotlib")
    for name in ("amd-2-cores", "amd-2-cores-b", "amd-2-cores"):
        path = results_file(tmp_path, name)
        write(path, report_of(machine=name), [RESULT])
        assert f"machine `{name}`" in path.read_text(encoding="utf-8")
    written = sorted(path.name for path in (tmp_path / "results").iterdir())
    assert written == ["amd-2-cores-b.md", "amd-2-cores-b.png", "amd-2-cores.md", "amd-2-cores.png"]


@pytest.mark.parametrize("foreign", ["my results", report_of(machine="another-machine")])
def test_a_foreign_file_is_not_replaced(tmp_path, foreign, capsys):
    """A file that is not this machine's is not replaced.

    It is a person's file, or another machine's results, under this machine's name.
    """
    path = tmp_path / "results" / f"{machine.this_machine()}.md"
    path.parent.mkdir()
    path.write_text(foreign, encoding="utf-8")
    assert main(["bench", "--out", str(tmp_path)]) == 1
    assert "exists, and minigpt did not write it" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == foreign


def test_a_foreign_picture_is_not_replaced(tmp_path, capsys):
    path = tmp_path / "results" / f"{machine.this_machine()}.png"
    path.parent.mkdir()
    path.write_bytes(b"my picture")
    assert main(["bench", "--out", str(tmp_path)]) == 1
    assert "its results, do not; move it away" in capsys.readouterr().err
    assert os.listdir(path.parent) == [path.name]
