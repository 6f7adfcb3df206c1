"""topology.svg is well-formed whatever cameras are called, and shows zones, ways and shared views."""

from __future__ import annotations

from xml.etree import ElementTree

from pipeline.association.overlap import Overlap
from pipeline.association.topology_report import TopologyReport, WayReport, ZoneReport
from pipeline.outputs.topology_picture import topology_svg

SVG = "{http://www.w3.org/2000/svg}"


def _parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)  # noqa: S314 - our own text


def test_every_zone_way_and_shared_view_is_drawn_inside_the_sheet() -> None:
    report = TopologyReport(
        zones=(
            ZoneReport("a<b", 1, (0.1, 0.9), 0.1, 5, 3),
            ZoneReport("hall", 1, (0.9, 0.5), 0.1, 2, 9),
            ZoneReport("gone", 1, (0.5, 0.5), 0.1, 1, 1),
        ),
        ways=(
            WayReport("a<b", 1, "hall", 1, 7, 4.0, 5.5, 9.0),
            WayReport("hall", 0, "a<b", 0, 2, 4.0, 5.5, 9.0),
            WayReport("a<b", 1, "hall", 1, 5, -9.0, -5.5, 9.0),
            WayReport("hall", 1, "hall", 1, 30, 1.0, 2.0, 3.0),
        ),
        overlaps=(Overlap(("a<b", "hall"), 10, 9, 1.0, found=True), Overlap(("a<b", "x"), 3, 0, 1.0, found=False)),
    )
    root = _parsed(topology_svg(report, {"a<b": (1920, 1080), "hall": (640, 480)}))
    assert len(root.findall(f"{SVG}circle")) == 2
    assert len([path for path in root.findall(f"{SVG}path") if path.get("marker-end")]) == 2
    assert len(root.findall(f"{SVG}line")) == 1
    texts = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert "a<b" in texts
    assert "at once: 5 x" in texts
    assert "7 x, 6 s" in texts or "7 x, 5 s" in texts
    width, height = (float(value) for value in (root.get("viewBox") or "").split()[2:])
    for circle in root.findall(f"{SVG}circle"):
        assert 0 < float(circle.get("cx") or 0) < width
        assert 0 < float(circle.get("cy") or 0) < height


def test_labels_cover_neither_one_another_nor_a_cameras_name() -> None:
    """Two ways between the same cameras had their figures on top of each other, or on a camera's name."""
    zones = tuple(ZoneReport(name, n, (0.5, 0.5), 0.1, 1, 1) for name in ("a", "b") for n in (1, 2))
    ways = tuple(WayReport("a", out, "b", into, 9, 1.0, 4.0, 9.0) for out in (1, 2) for into in (1, 2))
    root = _parsed(topology_svg(TopologyReport(zones, ways), {"a": (1920, 1080), "b": (1920, 1080)}))
    at = [(float(t.get("x") or 0), float(t.get("y") or 0)) for t in root.iter(f"{SVG}text") if t.text == "9 x, 4 s"]
    assert len(at) == 4
    for n, (x, y) in enumerate(at):
        assert all(abs(x - other_x) > 40 or abs(y - other_y) > 11 for other_x, other_y in at[:n])


def test_the_legend_fits_the_sheet_of_one_camera_and_says_when_there_is_no_way() -> None:
    root = _parsed(topology_svg(TopologyReport(), {"a": (1920, 1080)}))
    width = float((root.get("viewBox") or "").split()[2])
    lines = [text.text or "" for text in root.iter(f"{SVG}text") if text.text != "a"]
    assert any("no way" in line for line in lines)
    assert all(float(root.findall(f"{SVG}text")[-1].get("x") or 0) + 6.5 * len(line) < width for line in lines)


def test_a_run_that_learned_nothing_has_a_picture_too() -> None:
    assert _parsed(topology_svg(TopologyReport(), {"a": (4, 3)})).tag == f"{SVG}svg"
    assert _parsed(topology_svg(TopologyReport(), {})).tag == f"{SVG}svg"
