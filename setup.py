"""Which packages a wheel holds. Everything else about the build is in setup.cfg.

A wheel has no folder data/. The trained model in data/prose goes into it as a package without code:
minigpt/prose_model, where pretrained.shipped_model() looks for it.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["minigpt*", "kernels*"]), "minigpt.prose_model"],
    package_dir={"minigpt.prose_model": "data/prose"},
)
