"""Every setting of a run, with its unit in its name, as pydantic models; YAML and `--set a.b=c` fill them.

Defaults stand here and nowhere else; configs/*.yaml hold only what differs. An unknown or mistyped key is an error
that names it and the nearest known key (pipeline/config_loading.py). What all sections share is in config_section.py.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.config_camera import CameraConfig
from pipeline.config_section import Fraction, Positive, Seconds, Section, choose

__all__ = [
    "AssociationConfig", "CameraConfig", "Config", "CropConfig", "DetectorConfig", "EmbedderConfig", "Fraction",
    "OutputConfig", "Positive", "RuntimeConfig", "Seconds", "Section", "TrackerConfig", "VideoConfig", "choose",
]  # fmt: skip


class VideoConfig(Section):
    """Reading video."""

    cameras_at_once: int = Field(default=4, ge=1, le=64, description="Cameras decoded side by side; the rest wait.")
    queue_frames: int = Field(default=8, ge=1, le=256, description="Decoded frames that may wait for the detector.")
    deinterlace: Literal["auto", "never"] = Field(
        default="auto", description="auto: pictures that the video marks as interlaced, and only those."
    )
    max_pixels: int = Field(default=3840 * 2160, ge=1, description="Refuse larger frames, from the header.")


class DetectorConfig(Section):
    """Finding people."""

    name: str = Field(default="yolo", description="yolo, torchvision, replay, or one that was added to DETECTORS.")
    model: str = Field(
        default="bundled",
        description="bundled; a path to .pt, .onnx or an OpenVINO folder; a published name, e.g. yolo11m.pt; a "
        "torchvision model's name.",
    )
    weights: str | None = Field(default=None, description="State dict (.safetensors, .pth) of a torchvision model.")
    replay_dir: str | None = Field(default=None, description="Folder of <camera>.txt MOT boxes for `replay`.")
    confidence: Fraction = Field(
        default=0.1, description="Boxes below are dropped; the tracker continues tracks with weak ones, starts none."
    )
    nms_iou: Fraction = Field(default=0.55, description="IoU above which the weaker of two boxes is dropped.")
    nested_overlap: Fraction = Field(
        default=0.85, description="Intersection over the smaller box above which the weaker of two boxes is dropped."
    )
    image_size_px: int = Field(default=640, ge=64, le=4096, description="Longer side of the network's input.")
    max_detections: int = Field(default=500, ge=1, description="The most confident boxes kept of a frame.")
    batch_frames: int = Field(default=4, ge=1, le=64, description="Frames, across cameras, in one network call.")
    every_n: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Look at every n-th frame; people are interpolated between (docs/detectors.md).",
    )
    max_blind_s: float = Field(
        default=0.45,
        gt=0.0,
        description="With every_n: no longer than this between two looks, whatever the frame rate.",
    )
    motion_share: Fraction = Field(
        default=0.0, description="With every_n: look sooner when this share of the picture has changed; 0 = do not."
    )


class TrackerConfig(Section):
    """Following people in one camera. Ages are seconds.

    Defaults: tuned on TUD, campus and synthetic motion (docs/tracking.md, "How the parameters were chosen").
    """

    name: str = Field(
        default="bytetrack", description="bytetrack, sort, sort_paper, or one that was added to TRACKERS."
    )
    high_confidence: Fraction = Field(default=0.5, description="Boxes from here on are matched first.")
    low_confidence: Fraction = Field(default=0.1, description="Boxes from here on may still continue a track.")
    new_confidence: Fraction = Field(default=0.5, description="A new track starts from here on.")
    max_lost_s: Seconds = Field(default=3.0, description="How long an unseen person may be found again.")
    min_observations: int = Field(default=4, ge=1, description="Tracklets of fewer boxes are dropped.")
    min_track_s: Seconds = Field(default=0.5, description="Tracklets observed over less time are dropped.")
    min_observed_share: Fraction = Field(
        default=0.4, description="Tracklets that were seen in less of their frames are dropped: flicker, not a person."
    )
    lead_in_s: Seconds = Field(
        default=1.0,
        description="How far before its first sure box a track is led back over weak ones (docs/tracking.md); 0 = not.",
    )
    smooth_s: Seconds = Field(default=0.35, description="Boxes of a tracklet are smoothed over this time; 0 = not.")
    clothes: bool = Field(
        default=True, description="bytetrack: look at the colours of clothes, for people who cross (docs/tracking.md)."
    )
    smooth_gap_s: float = Field(
        default=0.6, gt=0.0, description="After as long unseen it may be somebody else: not smoothed across."
    )


class CropConfig(Section):
    """The crops of a tracklet that are embedded."""

    per_tracklet: int = Field(default=5, ge=1, le=64, description="The best crops; their vectors are averaged.")
    slot_s: float = Field(
        default=0.4,
        gt=0.0,
        description="Two kept crops come from different slots of this length, or longer.",
    )
    spread: int = Field(
        default=24,
        ge=1,
        le=256,
        description="Crops of a tracklet, spread in time, that are embedded to find where it went on with somebody "
        "else; the best per_tracklet of them describe the person.",
    )
    min_height_px: int = Field(default=32, ge=1, description="Smaller people are tracked but never embedded.")
    max_height_px: int = Field(default=256, ge=32, description="Taller crops are kept at this height.")


class EmbedderConfig(Section):
    """Describing people."""

    name: str = Field(default="mgn", description="mgn, openvino, onnx, or one that was added to EMBEDDERS.")
    model: str = Field(
        default="bundled", description="bundled (bundled-light), bundled-osnet, or a .safetensors, .xml, .onnx."
    )
    batch_crops: int = Field(default=16, ge=1, le=1024, description="Crops in one network call.")
    flip: bool = Field(default=True, description="Average a crop's vector with its mirror image's.")
    input_size_wh: tuple[int, int] = Field(
        default=(128, 256), description="Of an openvino or onnx model that leaves it open; an mgn's card says its own."
    )
    channel_order: Literal["bgr", "rgb"] = Field(default="bgr", description="Of an openvino or onnx model.")
    pixel_mean: tuple[float, float, float] = Field(
        default=(0.0, 0.0, 0.0), description="Of an openvino or onnx model: taken off values 0..255, in channel_order."
    )
    pixel_std: tuple[Positive, Positive, Positive] = Field(
        default=(1.0, 1.0, 1.0), description="Of an openvino or onnx model: divides values 0..255, in channel_order."
    )


class AssociationConfig(Section):
    """Which tracklets are one person."""

    split_gap_s: float = Field(
        default=0.5,
        gt=0.0,
        description="A tracklet is split where it was unseen for as long and looks like two people before and after.",
    )
    prefer: Literal["precision", "balance", "recall"] = Field(
        default="balance",
        description="Which error weighs more. precision: groups are joined from a probability of 0.9 on, who is less "
        "sure stays apart; balance: from 0.5; recall: from 0.2.",
    )
    min_link_probability: float | None = Field(
        default=None, gt=0.0, lt=1.0, description="The probability itself, instead of what `prefer` stands for."
    )
    solver: Literal["auto", "average", "heuristic", "exact"] = Field(
        default="auto",
        description="How tracklets are grouped: average linkage, or the largest sum of log-odds by local search or, in "
        "components of up to 40 tracklets, with proof. auto: what told people apart best (docs/association.md). Beyond "
        "dense_up_to components of more than 1,000 tracklets go to average linkage.",
    )
    dense_up_to: int = Field(
        default=2000,
        ge=0,
        description="Tracklets up to which all pairs are compared, in memory that grows with their square; beyond, "
        "candidates are searched within a time window.",
    )
    candidate_window_s: float = Field(
        default=1800.0,
        gt=0.0,
        description="Beyond dense_up_to: two tracklets so far apart in time are no candidates, where times compare.",
    )
    candidates_per_tracklet: int = Field(
        default=200, ge=1, description="Beyond dense_up_to: at most as many later candidates a tracklet, the best."
    )
    calibration_sample: int = Field(
        default=2000, ge=2, description="Beyond dense_up_to: tracklets that calibration and centring learn from."
    )
    duplicate_overlap: Fraction = Field(
        default=0.6,
        description="Median intersection over the smaller box, in common frames, from which two tracklets of one "
        "camera may be one person found twice; below, they are two people.",
    )
    well_apart_overlap: Fraction = Field(
        default=0.2, description="The same, up to which two tracklets serve as certain negatives to calibrate with."
    )
    clock_slack_s: Seconds = Field(
        default=1.0, description="By how much two cameras' common clock may differ: so long both may have a person."
    )
    centre_min_people: int = Field(
        default=10,
        ge=2,
        description="People from which each camera's mean is taken out of the embeddings; with fewer it is too rough.",
    )
    rerank: bool = Field(
        default=False,
        description="Put distances of looks in the order of k-reciprocal neighbours. Made for many pictures of a "
        "person: where each is seen once or twice in a camera it does harm (docs/association.md). Up to dense_up_to.",
    )
    discover_overlaps: bool = Field(
        default=True,
        description="Look for cameras that share a view and are not declared to, from who is seen in both at once.",
    )
    match_views: Literal["auto"] | bool = Field(
        default="auto",
        description="On one clock, put cameras without a calibration on one floor by people whom two of them see at "
        "once, where these tell (docs/geometry.md). Some seconds of computing for each pair of cameras; `auto`: up to "
        "six cameras.",
    )
    topology_rounds: int = Field(
        default=2,
        ge=0,
        le=10,
        description="How often ways and travel times are learned from the links and the links made anew; 0 = never.",
    )
    min_evidence: int = Field(
        default=20,
        ge=1,
        description="Certain positives and negatives below which the report says that the prior spoke.",
    )

    @property
    def link_probability(self) -> float:
        """Probability from which two groups are joined. Those of `prefer` were chosen on cuhk01, pku-reid and 3dpes
        (docs/association.md, "Doubt")."""
        if self.min_link_probability is not None:
            return self.min_link_probability
        return {"precision": 0.9, "balance": 0.5, "recall": 0.2}[self.prefer]


class OutputConfig(Section):
    """What is written. Privacy blur covers people who were tracked; someone who was missed is not covered."""

    overlays: bool = Field(default=True, description="Write overlays/<camera>.mp4.")
    floor_plan: bool = Field(default=True, description="Write floor_plan.svg, where a camera is calibrated.")
    birds_eye: bool = Field(
        default=False, description="Write birds_eye.mp4, where a camera is calibrated and the cameras share a clock."
    )
    trail_s: Seconds = Field(default=2.0, le=60.0, description="Length of the trail behind the feet; 0 = none.")
    max_height_px: int = Field(default=1080, ge=64, le=4320, description="Taller overlays are scaled down.")
    blur: Literal["none", "heads", "persons"] = Field(default="none", description="Pixelated in the overlays.")
    blur_hold_s: Seconds = Field(
        default=0.5, le=10.0, description="A tracklet's first and last box stay blurred this much longer."
    )
    low_confidence: Fraction = Field(
        default=0.5, description="A tracklet that belongs to its person with less is marked `id 3 ?`."
    )


class RuntimeConfig(Section):
    """Where and how the networks run."""

    device: str = Field(
        default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto: a GPU that computes, else the CPU."
    )
    precision: Literal["auto", "f32", "bf16", "f16"] = Field(
        default="auto", description="auto: f16 on a GPU, bf16 on a CPU that multiplies in it, else f32."
    )
    threads: int = Field(default=0, ge=0, description="0 = all cores.")
    offline: bool = Field(default=False, description="Never use the network, not even for a checkpoint named by name.")


class Config(Section):
    """A whole run."""

    schema_version: Literal["1.0"] = Field(default="1.0", description="Of the settings; another one is refused.")
    clock: Literal["common", "unknown", "align"] = Field(
        default="unknown", description="align: find the cameras' offsets from the people in them, or refuse."
    )
    calibration: str | None = Field(
        default=None, description="A file of calibrations by camera id, as `run.py calibrate` writes it."
    )
    video: VideoConfig = VideoConfig()
    detector: DetectorConfig = DetectorConfig()
    tracker: TrackerConfig = TrackerConfig()
    crops: CropConfig = CropConfig()
    embedder: EmbedderConfig = EmbedderConfig()
    association: AssociationConfig = AssociationConfig()
    output: OutputConfig = OutputConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    cameras: dict[str, CameraConfig] = Field(default_factory=dict)
