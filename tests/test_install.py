"""Tests of installations: their files, and what happens if something is missing.

Some folders are not writable.
"""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from minigpt.cli import main
from minigpt.cli.arguments import expect_writable
from minigpt.ops import default_ops, load_ops

ROOT = Path(__file__).parent.parent
SHORT = "--n-layer 1 --n-head 1 --n-embd 8 --max-iters 2 --eval-batches 1 --sample-length 0 --quiet"
SHORT = (SHORT + " --batch-size 4 --block-size 32").split()


def minigpt(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run a command in a folder whose packages come before ours."""
    path = os.pathsep.join([str(folder), str(ROOT)])
    command = [sys.executable, "-m", "minigpt", *arguments]
    env = os.environ | {"PYTHONPATH": path}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env)


def setup_py(*arguments: str) -> None:
    """Run one step of the build."""
    pytest.importorskip("setuptools")
    command = [sys.executable, "setup.py", "-q", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def files_below(folder: Path) -> set[str]:
    """Return the paths of the files in a folder, without caches."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {path.as_posix() for path in paths if "__pycache__" not in path.parts}


# ---- what a wheel and an sdist hold


def test_a_wheel_holds_the_packages_and_the_trained_model(tmp_path):
    setup_py("build_py", "--build-lib", str(tmp_path))
    wanted = {f"{top}/{name}" for top in ("minigpt", "kernels") for name in files_below(ROOT / top)}
    wanted |= {f"minigpt/prose_model/{name}" for name in files_below(ROOT / "data" / "prose")}
    assert files_below(tmp_path) == wanted


def test_a_wheel_finds_its_model_from_any_folder(tmp_path):
    setup_py("build_py", "--build-lib", str(tmp_path / "site"))
    script = "from minigpt.pretrained import shipped_model; print(shipped_model())"
    env = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert done.stdout.strip() == str(tmp_path / "site" / "minigpt" / "prose_model"), done.stderr


def test_an_sdist_holds_every_file_of_the_repository(tmp_path):
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("this is no clone")
    setup_py("egg_info", "--egg-base", str(tmp_path))
    sources = (tmp_path / "minigpt.egg-info" / "SOURCES.txt").read_text().splitlines()
    assert set(listed.stdout.splitlines()) - set(sources) <= {"MANIFEST.in"}


# ---- ops: the kernels, or NumPy with a warning


def fallback(monkeypatch, packages: Path, forget: tuple[str, ...]) -> str:
    """Return the warning of default_ops().

    Packages of other people are first on sys.path.
    """
    loaded = {name for name in sys.modules if name.partition(".")[0] in forget}
    for name in {*loaded, *forget}:
        monkeypatch.setitem(sys.modules, name, None)  # so that the end of the test restores it
        del sys.modules[name]
    monkeypatch.syspath_prepend(packages)
    with pytest.warns(UserWarning, match="running with NumPy, which is slower") as warned:
        assert default_ops() == "numpy"
    with pytest.raises(ImportError, match=r"^ops 'numba': .* use ops 'numpy'$"):
        load_ops("numba")
    return str(warned[0].message)


@pytest.mark.parametrize("content", ["def get_kernel(): ...", "import torch_of_another_world"])
def test_another_package_of_the_name_kernels(tmp_path, monkeypatch, content):
    pytest.importorskip("numba")
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text(content)
    text = fallback(monkeypatch, tmp_path, ("kernels",))
    assert f"the package `kernels` in {tmp_path / 'kernels'} " in text
    assert "then install minigpt again" in text


@pytest.mark.parametrize("error", ["ImportError('needs NumPy 2.0 or less')", "OSError('libllvm')"])
def test_a_numba_that_cannot_be_imported(tmp_path, monkeypatch, error):
    (tmp_path / "numba").mkdir()
    (tmp_path / "numba" / "__init__.py").write_text(f"raise {error}")
    text = fallback(monkeypatch, tmp_path, ("numba", "kernels"))
    assert f"the package `numba` in {tmp_path / 'numba'} cannot be imported" in text
    assert "pip install --upgrade numba" in text


def test_the_command_says_it_in_one_line_and_trains(tmp_path):
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text("")
    (tmp_path / "numba.py").write_text("")
    done = minigpt(tmp_path, "train", "--data", "reverse", *SHORT)
    assert done.returncode == 0 and "trained for" in done.stdout
    assert done.stderr.startswith("minigpt: warning: running with NumPy")
    assert done.stderr.count("\n") == 1
    done = minigpt(tmp_path, "train", "--data", "reverse", *SHORT, "--out", "b", "--ops", "numba")
    assert done.returncode == 1 and done.stderr.startswith("minigpt train: error: ops 'numba':")


# ---- a folder that cannot be written


@pytest.mark.parametrize("command", [["train", "--data", "reverse"], ["demo"]])
def test_a_folder_that_cannot_be_made_fails_before_anything_slow(command, monkeypatch, capsys):
    monkeypatch.setattr("minigpt.cli.train.warm_up", lambda **_: pytest.fail("compiled first"))
    for name in ("train", "demo"):
        slow = f"minigpt.cli.{name}.load_data"
        monkeypatch.setattr(slow, lambda *_: pytest.fail("read the data first"))
    assert main([*command, "--out", f"{os.devnull}/x"]) == 1
    assert f"--out {os.devnull}/x: cannot be written (Not a directory)" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def denied(dir):
        raise PermissionError(errno.EACCES, "Permission denied")

    expect_writable(tmp_path / "new" / "run")
    assert list(tmp_path.iterdir()) == []  # it leaves nothing behind
    monkeypatch.setattr("tempfile.TemporaryFile", denied)
    with pytest.raises(OSError, match=r"--out .*run: cannot be written \(Permission denied\)"):
        expect_writable(tmp_path / "new" / "run")


# ---- file names that are not UTF-8


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such file names")
def test_a_run_in_a_folder_whose_name_is_not_utf8(tmp_path):
    folder = tmp_path / os.fsdecode(b"here-\xff")
    folder.mkdir()
    text = folder / os.fsdecode(b"text-\xff.txt")
    text.write_text("the quick brown fox jumps over the lazy dog. " * 60)
    name = os.fsdecode(b"run-\xff")
    done = minigpt(folder, "train", "--data", str(text), *SHORT, "--out", name)
    assert done.returncode == 0, done.stderr
    assert r"run-\udcff" in done.stdout and (folder / name / "log.jsonl").exists()
    done = minigpt(folder, "train", "--out", name, "--resume")
    assert done.returncode == 0, done.stderr
    done = minigpt(folder, "generate", name, "--max-new-tokens", "5")
    assert done.returncode == 0, done.stderr


def test_a_loss_curve_whose_title_is_a_path_of_any_bytes():
    pytest.importorskip("matplotlib")
    from minigpt.plots import loss_curve

    figure = loss_curve([{"step": 0, "loss": 1.0}], 65, os.fsdecode(b"run-\xff $\\nothing$"))
    figure.savefig(io.BytesIO())
    assert figure.axes[0].get_title() == r"run-\udcff $\nothing$"
