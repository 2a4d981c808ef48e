"""`pytest --impl work/` runs the checks on your own functions (tests/test_impl.py)."""


def pytest_addoption(parser):
    parser.addoption("--impl", metavar="PATH", help="run the checks on your own file or folder")


def pytest_ignore_collect(collection_path, config):
    """With --impl, test_impl.py alone; without it, everything else."""
    if collection_path.suffix == ".py":
        return (collection_path.name == "test_impl.py") != (config.getoption("--impl") is not None)
    return None
