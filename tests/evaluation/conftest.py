import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from evaluation.mot_text import MotRows

HERE = Path(__file__).parent
SHARED = HERE.parents[1].parent / "shared"


def load_module(path):
    spec = importlib.util.spec_from_file_location(f"evaluation_tests_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def sequences():
    return load_module(HERE / "golden" / "sequences.py")


@pytest.fixture(scope="session")
def golden(sequences):
    """Loads a golden file, made sure that it was made of these very sequences."""

    def load(name):
        content = json.loads((HERE / "golden" / name).read_text())
        assert content["made_with"]["sequences_sha256"] == sequences.digest(), "make the golden numbers anew"
        return content["cases"]

    return load


@pytest.fixture(scope="session")
def shared_data():
    if not (SHARED / "data").is_dir():
        pytest.skip("needs ../shared/data: not beside this checkout")
    return SHARED / "data"


@pytest.fixture(scope="session")
def mtmc():
    """The independent evaluator handed out beside the repository."""
    if not (SHARED / "mtmc_eval.py").is_file():
        pytest.skip("needs ../shared/mtmc_eval.py: not beside this checkout")
    return load_module(SHARED / "mtmc_eval.py")


@pytest.fixture(scope="session")
def as_rows():
    """Truth and predictions of a generated case as MotRows; truth of confidence 0 left out, as the reader does."""

    def convert(cameras):
        truth = {camera: MotRows.of(pair[0][pair[0][:, 6] != 0]) for camera, pair in cameras.items()}
        return truth, {camera: MotRows.of(pair[1]) for camera, pair in cameras.items()}

    return convert


@pytest.fixture
def write_mot():
    def write(path, rows):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(",".join(f"{v:.10g}" for v in row) + "\n" for row in np.asarray(rows).tolist()))

    return write
