"""Letterbox: boxes come back where they were, for any size; the smallest input is chosen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.letterbox import PAD_VALUE, fit, input_size, to_batch

side = st.integers(1, 4000)
fraction = st.floats(0, 1)


@settings(max_examples=200, deadline=None)
@given(side, side, st.integers(2, 40), st.lists(fraction, min_size=4, max_size=4))
def test_boxes_come_back(width: int, height: int, cells: int, corners: list[float]) -> None:
    box = fit((width, height), input_size((width, height), cells * 32))
    xyxy = np.array([corners], np.float32) * np.array([width, height, width, height], np.float32)
    inside = box.to_input(xyxy)
    limit = np.tile(box.input_hw[::-1], 2)
    assert (inside >= -1e-2).all()
    assert (inside <= limit + 1e-2).all()
    np.testing.assert_allclose(box.to_frame(inside), xyxy, atol=max(width, height) * 1e-5)


@settings(max_examples=100, deadline=None)
@given(side, side, st.integers(2, 40))
def test_the_input_is_a_multiple_of_the_stride_and_no_larger_than_needed(width: int, height: int, cells: int) -> None:
    rows, columns = input_size((width, height), cells * 32)
    assert rows % 32 == 0
    assert columns % 32 == 0
    assert max(rows, columns) == cells * 32
    short = min(width, height) * cells * 32 / max(width, height)
    assert min(rows, columns) - 32 <= short + 0.5
    assert min(rows, columns) >= min(short - 0.5, 32)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((1920, 1080), (384, 640)), ((768, 576), (480, 640)), ((576, 768), (640, 480)), ((1, 1), (640, 640))],
)
def test_usual_sizes(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert input_size(size, 640) == wanted


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (321, 241), (64, 64)])
def test_the_picture_lies_in_the_middle_of_grey(size: tuple[int, int]) -> None:
    image = np.full((size[1], size[0], 3), 7, np.uint8)
    box = fit(size, (96, 128))
    placed = box.apply(image)
    assert placed.shape == (96, 128, 3)
    x1, y1, x2, y2 = np.round(box.to_input(np.array([[0, 0, *size]], np.float32))[0]).astype(int)
    assert (placed[y1:y2, x1:x2] == 7).all()
    assert (placed != PAD_VALUE).any(axis=2).sum() == (x2 - x1) * (y2 - y1)
    assert abs((x1 + x2) - 128) <= 1
    assert abs((y1 + y2) - 96) <= 1


def test_a_dot_is_found_again_in_the_scaled_picture() -> None:
    """Not only the arithmetic: the pixels move as the boxes do."""
    image = np.zeros((240, 320, 3), np.uint8)
    image[100:120, 200:210] = 255
    box = fit((320, 240), (128, 128))
    rows, columns = np.nonzero(box.apply(image)[..., 0] > 200)
    seen = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
    np.testing.assert_allclose(box.to_frame(seen)[0], [200, 100, 210, 120], atol=2.5)


@pytest.mark.parametrize("pixel_aspect", [0.5, 12 / 11, 2.0])
def test_pixels_are_made_square(pixel_aspect: float) -> None:
    """What is stored as an ellipse and shown as a circle reaches the network as a circle; its box comes back."""
    width, height = 352, 288
    rows, columns = np.mgrid[:height, :width]
    circle = ((columns - 170) * pixel_aspect) ** 2 + (rows - 140) ** 2 < 80**2
    image = np.repeat(np.where(circle, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    box = fit((width, height), input_size((width, height), 256, pixel_aspect=pixel_aspect), pixel_aspect)
    y, x = np.nonzero(box.apply(image)[..., 0] > 200)
    seen = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]], np.float32)
    assert abs((seen[0, 2] - seen[0, 0]) - (seen[0, 3] - seen[0, 1])) <= 2
    reach = 80 / pixel_aspect
    np.testing.assert_allclose(box.to_frame(seen)[0], [170 - reach, 60, 170 + reach, 220], atol=5)


def test_the_batch_is_rgb_in_0_to_1() -> None:
    blue = np.zeros((2, 3, 3), np.uint8)
    blue[..., 0] = 255  # BGR
    batch = to_batch([blue, blue])
    assert batch.shape == (2, 3, 2, 3)
    assert batch.dtype == np.float32
    assert batch[:, 2].min() == 1
    assert batch[:, :2].max() == 0
