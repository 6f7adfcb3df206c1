"""ultralytics, kept from the network, from the user's folders and from running code out of a weight file.

Importing it as it comes writes settings into the user's home, sends events when a model runs, installs packages that a
checkpoint names, unpickles anything, and switches OpenCV and child processes to one thread.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.errors import UsageError
from runtime.torchvision_ops import ensure_torchvision_ops

_CHECKOUT = Path(__file__).parents[1]
_REFUSED = {"ULTRALYTICS_SAFE_LOAD": "1", "YOLO_AUTOINSTALL": "0", "YOLO_OFFLINE": "1", "YOLO_VERBOSE": "false"}
_OURS = ("OMP_NUM_THREADS", "NUMEXPR_MAX_THREADS")
"""Set by ultralytics at import; put back, as child processes would inherit them."""


def cache_directory() -> Path:
    """Where libraries may write: PASSERBY_CACHE, else `.cache` in the checkout."""
    return Path(os.environ.get("PASSERBY_CACHE") or _CHECKOUT / ".cache").absolute()


def import_ultralytics() -> ModuleType:
    """`ultralytics.nn.tasks`, imported with telemetry, downloads, auto-install and unsafe pickles off."""
    os.environ.update(_REFUSED)
    for variable, folder in (("YOLO_CONFIG_DIR", "ultralytics"), ("MPLCONFIGDIR", "matplotlib")):
        target = cache_directory() / folder
        target.mkdir(parents=True, exist_ok=True)
        os.environ[variable] = str(target)
    ensure_torchvision_ops()
    import cv2  # noqa: PLC0415

    before = {name: os.environ.get(name) for name in _OURS}
    threads = cv2.getNumThreads()
    from ultralytics import SETTINGS  # noqa: PLC0415
    from ultralytics.nn import tasks  # noqa: PLC0415

    cv2.setNumThreads(threads)
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if SETTINGS["sync"]:
        SETTINGS.update({"sync": False})
    tasks.SAFE_LOAD = True  # the environment was read at import, which may have been someone else's
    module: ModuleType = tasks
    return module


def load_checkpoint(path: Path, kind: str = "DetectionModel") -> Any:
    """The torch module of a trained ultralytics `.pt`, eval mode, float32; `kind` is its class.

    Only the known layer classes are rebuilt from the pickle; a file that names anything else is refused and nothing of
    it runs. Raises UsageError.
    """
    tasks = import_ultralytics()
    if not tasks._SafeLoad.SUPPORTED:  # ultralytics falls back to unpickling anything
        raise UsageError(f"{path}: this torch cannot load .pt files safely; install torch >= 2.10")
    try:
        checkpoint, _ = tasks.torch_safe_load(str(path.absolute()), safe_only=True)
        model = checkpoint.get("ema") or checkpoint["model"]
        model = model.float().eval()
    except Exception as error:  # the loader raises whatever the bytes provoke; each of them means: not usable
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UsageError(
            f"{path}: refused: not a checkpoint of known layers ({reason}); use a .pt trained with ultralytics, "
            "or export it to ONNX or OpenVINO where you trust it"
        ) from None
    if type(model).__name__ != kind:
        task = "pose" if kind == "PoseModel" else "detect"
        raise UsageError(f"{path}: holds a {type(model).__name__}; a {kind} is needed (task={task})")
    return model
