"""torchvision beside a torch it was not compiled for.

torchvision from the package index carries operators compiled against the CUDA build of torch. Beside a CPU build
they do not load, and `import torchvision` (so `import ultralytics` too) stops with "operator torchvision::nms does
not exist". `ensure_torchvision_ops` gives the two operators that detection needs in Python instead.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import logging
import sys

import torch
from torch import library as operators

from pipeline.errors import UsageError
from runtime.nms import greedy_nms

logger = logging.getLogger(__name__)

_registered: operators.Library | None = None
"""Keeps the registration alive: torch drops the operators when the handle is collected."""


def ensure_torchvision_ops() -> None:
    """Make `import torchvision` work, `torchvision.ops.nms`, `batched_nms` and `roi_align` included.

    Call it before anything that imports torchvision. Does nothing when the compiled operators load, when torchvision
    is imported already or when it was called before. Raises UsageError when torchvision is not installed.
    """
    if "torchvision" in sys.modules or _compiled_ops_load():
        return
    global _registered  # noqa: PLW0603 - one registration a process, as the operators are the process's
    _registered = operators.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):  # qnms is only named by torchvision's import, never run
        _registered.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _registered.impl("nms", nms, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]

    import torchvision.ops.boxes  # noqa: PLC0415 - only now can it be imported

    torchvision.ops.boxes._assert_has_ops = lambda: None  # the guard of nms alone; deform_conv2d etc. keep theirs
    # roi_align's own fallback is wrapped in torch.compile, which wants a C++ compiler on the user's machine.
    roi_align = sys.modules["torchvision.ops.roi_align"]
    roi_align._roi_align = getattr(roi_align._roi_align, "__wrapped__", roi_align._roi_align)  # type: ignore[attr-defined]
    logger.debug("torchvision %s: compiled operators do not fit torch %s", torchvision.__version__, torch.__version__)


def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Greedy non-maximum suppression: indices (K,) int64 of the boxes kept, best first.

    `boxes (N, 4)` xyxy, `scores (N,)`; a box goes when its IoU with a better kept one is above `iou_threshold`;
    of equal scores the earlier row counts as better (as torchvision's own CPU operator does).
    """
    kept = greedy_nms(boxes.detach().cpu().float().numpy(), scores.detach().cpu().float().numpy(), iou_threshold)
    return torch.from_numpy(kept).to(boxes.device)


def _compiled_ops_load() -> bool:
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError("torchvision is not installed; run `make setup`, or `pip install torchvision`")
    loader = (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)
    finder = importlib.machinery.FileFinder(next(iter(spec.submodule_search_locations)), loader)
    compiled = finder.find_spec("_C")
    if compiled is None or compiled.origin is None:
        return False
    try:
        torch.ops.load_library(compiled.origin)  # type: ignore[no-untyped-call]
    except (ImportError, OSError):
        return False
    return hasattr(torch.ops.torchvision, "nms")
