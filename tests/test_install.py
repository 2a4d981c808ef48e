"""What an installation holds, and what it does where something is missing, broken or not writable."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def setup_py(*arguments: str) -> None:
    """Run one step of the build."""
    pytest.importorskip("setuptools")
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def files_below(folder: Path) -> set[str]:
    """The files that are no caches, by their paths from the folder."""
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
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); {script}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == str(tmp_path / "site" / "minigpt" / "prose_model"), done.stderr


def test_an_sdist_holds_every_file_of_the_repository(tmp_path):
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("this is no clone")
    setup_py("egg_info", "--egg-base", str(tmp_path))
    sources = (tmp_path / "minigpt.egg-info" / "SOURCES.txt").read_text().splitlines()
    assert set(listed.stdout.splitlines()) - set(sources) <= {"MANIFEST.in"}
