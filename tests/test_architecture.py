"""The arrows between packages, drawn from the imports: none runs back, and each third-party library keeps its room."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("pipeline", "runtime", "detectors", "trackers", "reid", "evaluation", "synthetic", "commands")
FOUNDATION = ("pipeline.types", "pipeline.config", "pipeline.config_section", "pipeline.config_camera",
              "pipeline.geometry", "pipeline.weights", "pipeline.errors", "pipeline.mot_text")  # fmt: skip
PEERS = ("detectors", "trackers", "reid", "evaluation", "synthetic")
FENCES = {
    "ultralytics": ("detectors/",),
    "filterpy": ("trackers/kalman.py",),
    "lap": ("trackers/assignment.py",),
    "torch": ("detectors/", "reid/", "runtime/"),
    "torchvision": ("detectors/", "reid/", "runtime/"),
    "openvino": ("runtime/",),
    "av": ("pipeline/video/",),
}


def modules() -> list[Path]:
    """Every module of the product."""
    return [ROOT / "run.py", *(path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))]


def imports(path: Path) -> set[str]:
    """Dotted names that `path` imports anywhere, `from a import b` as both `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def reaches(name: str, targets: tuple[str, ...]) -> bool:
    return any(name == target or name.startswith(target + ".") for target in targets)


def forbidden(path: Path, root: Path = ROOT) -> list[str]:
    """The imports of `path` that run against the arrows."""
    room = path.relative_to(root).parts[0]
    ours = [name for name in imports(path) if reaches(name, (*PACKAGES, "run"))]
    if room == "run.py":
        return [name for name in ours if not reaches(name, ("commands", *FOUNDATION, "pipeline"))]
    if room == "commands":
        return [name for name in ours if reaches(name, ("run",))]
    if room == "pipeline":
        return [name for name in ours if not reaches(name, ("pipeline",))]
    if room == "runtime":
        return [name for name in ours if name != "pipeline" and not reaches(name, ("runtime", *FOUNDATION))]
    return [name for name in ours if name != "pipeline" and not reaches(name, (room, "runtime", *FOUNDATION))]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_arrow_runs_back(path: Path) -> None:
    assert forbidden(path) == []


@pytest.mark.parametrize("library", FENCES)
def test_libraries_keep_their_rooms(library: str) -> None:
    outside = [
        str(path.relative_to(ROOT))
        for path in modules()
        if any(reaches(name, (library,)) for name in imports(path))
        and not str(path.relative_to(ROOT)).startswith(FENCES[library])
    ]
    assert outside == []


def test_pipeline_foundation_does_not_import_stages() -> None:
    """types, config, geometry, weights, errors and mot_text stand below everything else of pipeline/."""
    for name in FOUNDATION:
        path = ROOT / (name.replace(".", "/") + ".py")
        above = [
            n for n in imports(path) if reaches(n, ("pipeline",)) and n != "pipeline" and not reaches(n, FOUNDATION)
        ]
        assert above == [], path


def test_a_back_arrow_would_be_seen(tmp_path: Path) -> None:
    """The check itself: a detector that imports a tracker is refused."""
    room = tmp_path / "detectors"
    room.mkdir()
    (room / "bad.py").write_text("from trackers.sort import Sort\nimport pipeline.types\n")
    assert sorted(forbidden(room / "bad.py", root=tmp_path)) == ["trackers.sort", "trackers.sort.Sort"]
