"""A YOLO checkpoint by its published name: fetched once, only when the user named it and did not say --offline.

The release publishes no checksums, so the file's SHA-256 is logged, for comparison with that of others or of later.
What is fetched is read like any `.pt`: as weights only, never as code (safety.py).
"""

from __future__ import annotations

import logging
import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from pipeline.errors import ResourceError, UsageError
from pipeline.weights import sha256_of

logger = logging.getLogger(__name__)

RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"
"""Where ultralytics 8.4 itself looks (ultralytics/utils/downloads.py)."""
_NAME = re.compile(r"yolo(?:v5|v8|v9|v10|11|12|26)[ntsmblcex]u?\.pt")
_TIMEOUT_S = 30.0
_LARGEST_BYTES = 1 << 29


def is_published_name(model: str) -> bool:
    """Whether `model` is a bare name of a detection checkpoint that ultralytics publishes, e.g. `yolo11m.pt`."""
    return _NAME.fullmatch(model) is not None


def refuse_missing(model: str, *, offline: bool) -> None:
    """Raise UsageError unless the file `model` is there, or is a published name that may be fetched."""
    published = is_published_name(model)
    if not Path(model).exists() and (offline or not published):
        why = " and --offline forbids to fetch it" if published else ""
        raise UsageError(
            f"detector.model {model}: no such file{why}; give a path to .pt, .onnx, an OpenVINO folder, or `bundled`"
        )


def fetch(name: str, folder: Path, *, release: str = RELEASE) -> Path:
    """`folder/name`, fetched from `release` unless it is there. Raises UsageError with the remedy when that fails."""
    path, part = folder / name, folder / f".{name}.part"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    url = f"{release}/{name}"
    logger.info("%s: fetched from %s (--offline forbids it)", name, url)
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, part.open("wb") as file:  # noqa: S310
            if int(answer.headers.get("Content-Length") or 0) > _LARGEST_BYTES:
                raise UsageError(f"{url}: larger than any YOLO; get the file yourself and give its path")
            shutil.copyfileobj(answer, file)
        part.replace(path)
    except (urllib.error.URLError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        raise UsageError(
            f"detector.model {name}: no such file, and {url} cannot be reached ({reason}); get the file elsewhere and "
            "give its path, or use `bundled`"
        ) from None
    except OSError as error:
        raise ResourceError(f"{path}: cannot be written ({error.strerror}); free some space") from None
    finally:
        part.unlink(missing_ok=True)
    logger.info("%s: sha256 %s", name, sha256_of(path))
    return path
