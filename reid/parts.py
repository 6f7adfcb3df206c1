"""From a feature map to vectors: the whole map, fixed stripes, learned parts, and parts around keypoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def pool_whole(features: Tensor, pool: str) -> Tensor:
    """`(N, C, H, W)` to `(N, C)`, `pool` max or avg."""
    return features.amax((2, 3)) if pool == "max" else features.mean((2, 3))


def pool_stripes(features: Tensor, count: int, pool: str) -> Tensor:
    """`(N, C, H, W)` to `(N, C, count)`: horizontal stripes from the top."""
    if torch.onnx.is_in_onnx_export():  # ONNX has no adaptive pooling; the same stripes by hand
        height = int(features.shape[2])
        edges = [(i * height // count, -(-(i + 1) * height // count)) for i in range(count)]
        return torch.stack([pool_whole(features[:, :, top:bottom], pool) for top, bottom in edges], dim=2)
    adaptive = functional.adaptive_max_pool2d if pool == "max" else functional.adaptive_avg_pool2d
    return adaptive(features, (count, 1)).flatten(2)


def pool_boxes(features: Tensor, boxes: Tensor, pool: str) -> Tensor:
    """`(N, C, H, W)` and boxes `(N, P, 4)` in fractions to `(N, C, P)`; 0 for a box without area.

    A cell of the map belongs to a box that overlaps it.
    """
    height, width = features.shape[2:]
    rows = torch.arange(height, device=features.device) / height
    columns = torch.arange(width, device=features.device) / width
    x1, y1, x2, y2 = boxes.unbind(2)
    inside_y = (y2[..., None] > rows) & (y1[..., None] < rows + 1 / height)
    inside_x = (x2[..., None] > columns) & (x1[..., None] < columns + 1 / width)
    inside = inside_y[..., :, None] & inside_x[..., None, :]  # (N, P, H, W)
    pooled = []
    for part in inside.unbind(1):
        mask = part[:, None]
        if pool == "max":
            value = features.masked_fill(~mask, -torch.inf).amax((2, 3))
        else:
            value = (features * mask).sum((2, 3)) / mask.sum((2, 3)).clamp_min(1)
        pooled.append(torch.where(part.flatten(1).any(1)[:, None], value, 0.0))
    return torch.stack(pooled, dim=2)


class LatentParts(nn.Module):
    """Learned moving parts: a spatial transformer places `count` windows on the map of each crop.

    After Li et al., "Learning Deep Context-aware Features over Body and Latent Parts", CVPR 2017, section 3.2. The
    paper keeps its windows apart, upright and inside the image by three penalties; here the form of the window does:
    each starts as one stripe, its middle moves at most a stripe's height up or down and half a width aside, its height
    changes at most by a factor e.
    """

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.count = count
        self.locate = nn.Linear(width, 4 * count)
        nn.init.zeros_(self.locate.weight)
        nn.init.zeros_(self.locate.bias)

    def windows(self, features: Tensor) -> Tensor:
        """`(N, count, 4)`: middle x, y and half sides x, y; the map is -1..1 in both."""
        raw = torch.tanh(self.locate(features.mean((2, 3)).float())).view(-1, self.count, 4)
        start = (torch.arange(self.count, device=raw.device) + 0.5) * 2 / self.count - 1
        x = 0.5 * raw[..., 0]
        y = start + raw[..., 1] * 2 / self.count
        return torch.stack([x, y, 0.6 + 0.4 * (raw[..., 2] + 1).clamp_max(1), torch.exp(raw[..., 3]) / self.count], 2)

    def forward(self, features: Tensor, pool: str) -> Tensor:
        """`(N, C, H, W)` to `(N, C, count)`."""
        height = max(2, -(-int(features.shape[2]) // self.count))
        down = torch.linspace(-1, 1, height, device=features.device)
        across = torch.linspace(-1, 1, int(features.shape[3]), device=features.device)
        middle_x, middle_y, half_x, half_y = self.windows(features).unbind(2)
        pooled = []
        for part in range(self.count):
            y = middle_y[:, part, None] + half_y[:, part, None] * down
            x = middle_x[:, part, None] + half_x[:, part, None] * across
            grid = torch.stack([x[:, None, :].expand(-1, height, -1), y[:, :, None].expand(-1, -1, len(across))], dim=3)
            window = functional.grid_sample(features.float(), grid, padding_mode="border", align_corners=False)
            pooled.append(pool_whole(window, pool))
        return torch.stack(pooled, dim=2).to(features.dtype)
