from __future__ import annotations

import numpy as np
import pytest

from detectors.training import augment
from detectors.training.augment import AugmentSettings

WHITE = AugmentSettings(smallest_person_px=2, visible=0.01)


def rectangle(xyxy, size_wh=(200, 120)):
    image = np.full((size_wh[1], size_wh[0], 3), augment.PAD_GREY, np.uint8)
    x0, y0, x1, y1 = xyxy
    image[y0:y1, x0:x1] = 255
    return image, np.array([xyxy], np.float32)


def edges(image):
    """Edges of the white area to a fraction of a pixel: coverage of its border pixels, read along its middle."""
    light = (image[..., 0].astype(float) - augment.PAD_GREY) / (255 - augment.PAD_GREY)
    rows, columns = np.flatnonzero(light.max(1) > 0.5), np.flatnonzero(light.max(0) > 0.5)
    line, column = light[rows[len(rows) // 2]], light[:, columns[len(columns) // 2]]
    x, y = columns[len(columns) // 2], rows[len(rows) // 2]
    return np.array([x - line[:x].sum(), y - column[:y].sum(), x + line[x:].sum(), y + column[y:].sum()])


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("scale", [0.3, 0.55, 0.8, 1.0, 1.7])
def test_a_box_goes_where_its_pixels_go(scale, flip):
    image, xyxy = rectangle((60, 30, 120, 100))
    sign = -1 if flip else 1
    matrix = np.array([[sign * scale * 1.2, 0, 260 if flip else 7.3], [0, scale, 5.6]])
    cell = (280, 240)
    warped = augment.warp_image(image, matrix, cell)
    box = augment.warp_boxes(xyxy, matrix, cell, visible=0.3, min_height=2)[0]
    assert box == pytest.approx(edges(warped), abs=0.15)


def test_identity_moves_no_pixel():
    image = np.random.default_rng(0).integers(0, 255, (40, 30, 3), np.uint8)
    same = augment.warp_image(image, np.array([[1.0, 0, 0], [0, 1, 0]]), (30, 40))
    assert np.array_equal(same, image)


def test_cut_boxes_keep_their_label_while_enough_is_seen():
    matrix = np.array([[1.0, 0, 0], [0, 1, 0]])
    xyxy = np.array([[-10, 0, 10, 40], [-30, 0, 10, 40], [0, 0, 10, 5], [0, 38, 10, 60]], np.float32)
    kept = augment.warp_boxes(xyxy, matrix, (50, 50), visible=0.3, min_height=8)
    assert kept.tolist() == [[0, 0, 10, 40], [0, 38, 10, 50]]


@pytest.mark.parametrize("count", [1, 4, 9])
def test_every_box_of_a_mosaic_frames_its_own_person(count):
    colours = [20 + 12 * k for k in range(count)]
    checked = 0
    for seed in range(20):
        picks = []
        for colour in colours:
            image, xyxy = rectangle((60, 30, 120, 100))
            image[30:100, 60:120] = (colour, 0, 255)
            picks.append((image, xyxy, (0.8, 1.8)))
        canvas, boxes = augment.compose(picks, 192, WHITE, np.random.default_rng(seed))
        assert canvas.shape == (192, 192, 3)
        framed = np.zeros((192, 192), bool)
        for x0, y0, x1, y1 in boxes:
            inside = canvas[round(y0) + 2 : round(y1) - 2, round(x0) + 2 : round(x1) - 2]
            if inside.size:
                assert (inside[..., 2] > 250).all()
                assert np.ptp(inside[..., 0]) <= 1  # one person, not a neighbour's
                checked += 1
            framed[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
        person = (canvas[..., 2] > 200) & (canvas[..., 1] < 40)
        assert (person & ~framed).sum() <= 30  # nobody of more than a sliver is left unframed
    assert checked >= 10 * count


def test_stretched_sets_are_widened():
    image, xyxy = rectangle((90, 30, 110, 100), size_wh=(200, 200))
    ratios = []
    for seed in range(200):
        _, boxes = augment.compose([(image, xyxy, (1.3, 1.8))], 192, WHITE, np.random.default_rng(seed))
        whole = [b for b in boxes if b.min() > 0.5 and b.max() < 191.5]
        ratios += [(b[2] - b[0]) / (b[3] - b[1]) / (20 / 70) for b in whole]
    assert len(ratios) > 50
    assert min(ratios) == pytest.approx(1.3, abs=0.05)
    assert max(ratios) == pytest.approx(1.8, abs=0.05)


def test_photometry_moves_nothing_and_makes_grey_cameras():
    image = np.full((64, 64, 3), 60, np.uint8)
    image[16:48, 24:40] = (30, 90, 200)
    greys = 0
    for seed in range(60):
        out = augment.photometric(image, AugmentSettings(noise=0), np.random.default_rng(seed))
        assert out.shape == image.shape
        assert out.dtype == np.uint8
        greys += int(np.ptp(out.astype(int), axis=2).max() <= 12)
        difference = np.abs(out[32, 1:].astype(int) - out[32, :-1].astype(int)).sum(1)
        if difference.max() > 20:
            assert int(difference.argmax()) in range(21, 43)  # the edge is where it was
    assert 3 <= greys <= 25


def test_the_same_seed_gives_the_same_picture():
    image, xyxy = rectangle((60, 30, 120, 100))

    def make():
        rng = np.random.default_rng(5)
        canvas, boxes = augment.compose([(image, xyxy, (1.0, 1.2))] * 4, 128, AugmentSettings(), rng)
        return augment.photometric(canvas, AugmentSettings(), rng), boxes

    (first, boxes), (again, boxes_again) = make(), make()
    assert np.array_equal(first, again)
    assert np.array_equal(boxes, boxes_again)
