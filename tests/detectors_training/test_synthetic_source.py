"""A rendered set becomes a source of labelled images."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from commands.labelled_images import read_labelled_images
from detectors.training.dataset import read_source
from pipeline.video import VideoWriter
from tools import synthetic_source

SIZE = 160, 96


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    """Four frames of one camera: person 1 in the truth, person 2 hardly seen, person 3 seen by nobody."""
    made = tmp_path / "set"
    for folder in ("videos", "truth", "people"):
        (made / folder).mkdir(parents=True)
    (made / "scene.json").write_text(json.dumps({"seed": 42}))
    with VideoWriter(made / "videos" / "cam1.mp4", SIZE, 4.0) as writer:
        for index in range(4):
            image = np.tile(np.array([[40], [90]], np.uint8), (48, 160))[..., None].repeat(3, 2)
            writer.write(np.ascontiguousarray(image), index / 4)
    lines = [f"{frame},1,{10 + frame},20,30,60,1,1,0.9" for frame in range(1, 5)]
    (made / "truth" / "cam1.txt").write_text("\n".join(lines) + "\n")
    people = ["frame,id,x1,y1,x2,y2,visible_x1,visible_y1,visible_x2,visible_y2,visibility,floor_x,floor_y"]
    for frame in range(1, 5):
        people += [
            f"{frame},1,{10 + frame},20,{40 + frame},80,{10 + frame},20,{40 + frame},80,0.9,0,0",
            f"{frame},2,90,10,130,90,100,16,120,48,0.2,0,0",
            f"{frame},3,50,10,80,90,50,10,80,90,0.0,0,0",
        ]
    (made / "people" / "cam1.csv").write_text("\n".join(people) + "\n")
    return made


def test_frames_carry_the_truth_and_hide_who_is_hardly_seen(rendered, tmp_path, monkeypatch):
    out = tmp_path / "synthetic"
    monkeypatch.setattr(sys, "argv", ["x", "--sets", str(rendered), "--every", "2", "--output", str(out)])
    synthetic_source.main()
    items = list(read_source(out))
    assert [item.name for item in items] == ["g00042_000000", "g00042_000002"]
    assert {item.group for item in items} == {"g00042"}
    assert items[1].xyxy == pytest.approx(np.array([[13, 20, 43, 80]], np.float32), abs=0.01)
    image = items[0].image.astype(int)
    assert image[20:44, 102:118].std() < 8  # hidden: no stripes
    assert image[20:44, 55:75].std() > 15  # nobody to be seen there: as it was
    assert image[30:70, 15:38].std() > 15  # whoever has a label stays
    assert len(list(read_labelled_images(out))) == 2
