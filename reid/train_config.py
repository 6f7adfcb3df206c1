"""Settings of a re-identification training run, as pydantic models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from pipeline.config import EmbedderConfig, Fraction, Section
from reid.architecture import ArchitectureConfig


class AugmentConfig(Section):
    """Random changes of a crop. Ranges are symmetric about "no change"."""

    flip: bool = True
    scale: float = Field(default=0.0, ge=0, le=0.5, description="Natural logarithm, each side on its own.")
    shift: float = Field(default=0.0, ge=0, le=0.5, description="Fraction of the side.")
    colour_probability: Fraction = 0.0
    brightness: Fraction = 0.15
    contrast: Fraction = 0.2
    saturation: Fraction = 0.3
    cast: Fraction = Field(default=0.08, description="Gain of each colour channel on its own.")
    grey_probability: Fraction = Field(default=0.0, description="Among the recoloured ones.")
    blur_probability: Fraction = 0.0
    erase_probability: Fraction = 0.0


class LossConfig(Section):
    """Weights of the losses; 0 leaves one out."""

    identity: float = Field(default=1.0, ge=0)
    label_smoothing: Fraction = 0.0
    triplet: float = Field(default=1.0, ge=0)
    margin: float = Field(default=1.2, ge=0, description="MGN paper, section 4.1.")
    soft_margin: bool = Field(default=False, description="log(1 + exp(d)) in place of the margin (Hermans 2017).")
    positives: Literal["hardest", "each"] = "hardest"
    contrastive: float = Field(default=0.0, ge=0, description="Distance of pairs, on unit embeddings (0..2).")
    contrastive_margin: float = Field(default=1.0, gt=0, le=2)
    verification: float = Field(default=0.0, ge=0, description="Two-class softmax: same person or not, on pairs.")
    distil_cosine: float = Field(default=0.0, ge=0, description="Teacher's vector from a linear map of ours.")
    distil_relation: float = Field(default=0.0, ge=0, description="Teacher's similarities within the batch.")
    distil_maps: float = Field(default=0.0, ge=0, description="Teacher's inner map, place by place (`teacher_maps`).")


class OptimiserConfig(Section):
    """Weights and their schedule; `progress` runs from 0 to 1 over the run."""

    name: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(default=0.01, gt=0)
    head_factor: float = Field(default=1.0, gt=0, description="Learning rate of the classifiers over the others'.")
    momentum: Fraction = 0.9
    weight_decay: float = Field(default=5e-4, ge=0)
    schedule: Literal["steps", "cosine"] = "steps"
    drops: tuple[Fraction, ...] = Field(default=(0.5, 0.75), description="Progress at which `steps` divides by 10.")
    warm_up_steps: int = Field(default=0, ge=0)
    clip_norm: float = Field(default=0.0, ge=0, description="Largest norm of the gradient; 0 = any.")
    ema: float = Field(default=0.0, ge=0, lt=1, description="Decay a step of the averaged weights; 0 = none.")


class DiscriminantConfig(Section):
    """A linear discriminant map after the trained network (reid/discriminant.py)."""

    dimension: int = Field(default=256, ge=1, description="Of the vectors that come out.")
    shrinkage: float = Field(default=1e-3, gt=0, description="Added to the variance within people, in each direction.")


class TeacherMapsConfig(Section):
    """What a teacher's last map says of each place of a crop (reid/teacher_maps.py)."""

    layers: tuple[str, ...] = Field(min_length=1, description="One operation a teacher: that which gives its map.")
    grid_wh: tuple[PositiveInt, PositiveInt] = Field(default=(4, 8), description="Cells that the maps are averaged to.")
    dimension: int = Field(default=128, ge=2, description="Principal components of all teachers' channels.")


class TeacherBlocksConfig(Section):
    """A trunk of blocks that is learnt block by block from a teacher's inner operations (reid/teacher_blocks.py)."""

    operations: tuple[tuple[str, str], ...] = Field(
        min_length=1, description="For each block of the shared trunk: before its last activation, and its output."
    )
    apart_until: float = Field(
        default=0.2, gt=0, lt=1, description="Progress until which blocks are fed by the teacher's."
    )
    alone_until: float = Field(
        default=0.4, gt=0, lt=1, description="Progress until which nothing but blocks is learnt."
    )
    weight: float = Field(default=1.0, gt=0, description="Of the blocks' loss beside the others, afterwards.")

    @model_validator(mode="after")
    def _ordered(self) -> TeacherBlocksConfig:
        if self.alone_until < self.apart_until:
            raise ValueError("`alone_until` lies before `apart_until`")
        names = [name for pair in self.operations for name in pair]
        if len(set(names)) < len(names):
            raise ValueError("`operations` names one operation twice")
        return self


class SizeFrom(Section):
    """From `progress` on, crops are `size_wh` px."""

    progress: Fraction
    size_wh: tuple[int, int]


class TrainConfig(Section):
    """A whole training run. Defaults are the MGN paper's; configs/reid_light.yaml holds what the light trunk wants."""

    trunk: Literal["light", "osnet", "resnet18", "resnet50", "resnet101"] = "resnet50"
    architecture: ArchitectureConfig = Field(default=ArchitectureConfig(), description="Branches; default: MGN.")
    reduced: int = Field(default=256, ge=8, le=2048)
    neck: bool = Field(default=False, description="Normalise the pooled vectors before their classifiers (BNNeck).")
    imagenet: str | None = Field(default=None, description="torchvision state dict to start a ResNet from.")
    initial: str | None = Field(default=None, description="Our own weights (.safetensors with a card) to start from.")
    initial_heads: bool = Field(
        default=False, description="Also classifiers and map to the teacher, from the checkpoint.pt beside `initial`."
    )
    input_size_wh: tuple[int, int] = (128, 384)
    sizes: tuple[SizeFrom, ...] = Field(default=(), description="Smaller crops early on; none = input_size_wh.")
    data: tuple[str, ...] = Field(default=(), description="Sets to train on, relative to --data; none = --data itself.")
    split: int = Field(default=0, ge=0, description="Which random split of a set that has no fixed one.")
    unlabelled: tuple[str, ...] = Field(default=(), description="Tars of images with YOLO boxes, for distillation.")
    hold_out: dict[str, int] = Field(default_factory=dict, description="Identities a set keeps back, by its stem.")
    keypoints: str | None = Field(default=None, description="Folder of <set>.json, relative to --data; for pose parts.")
    teacher: EmbedderConfig | tuple[EmbedderConfig, ...] | None = Field(
        default=None, description="An embedder to distil from, or several, whose vectors are put side by side."
    )
    teacher_maps: TeacherMapsConfig | None = Field(default=None, description="For loss.distil_maps.")
    teacher_blocks: TeacherBlocksConfig | None = Field(
        default=None, description="The teacher is asked about each crop as it was changed, and about its blocks."
    )
    identities: int = Field(default=16, ge=2, description="P")
    crops: int = Field(default=4, ge=1, description="K")
    unlabelled_crops: int = Field(default=0, ge=0, description="Beside P x K in each batch.")
    epochs: float = Field(default=80, gt=0)
    max_minutes: float | None = Field(default=None, gt=0, description="Progress by time instead of epochs.")
    precision: Literal["f32", "bf16", "f16"] = Field(default="f32", description="Of the arithmetic; weights are f32.")
    seed: int = 0
    augment: AugmentConfig = AugmentConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    discriminant: DiscriminantConfig | None = Field(default=None, description="Fitted at the end; none: as MGN is.")

    @model_validator(mode="after")
    def _consistent(self) -> TrainConfig:
        distils = max(self.loss.distil_cosine, self.loss.distil_relation, self.loss.distil_maps) > 0
        if distils != bool(self.teachers):
            raise ValueError("`teacher` and a distillation weight need each other")
        if self.unlabelled_crops and not distils:
            raise ValueError("unlabelled_crops serve distillation only: set `teacher` and a distillation weight")
        return self

    @model_validator(mode="after")
    def _maps_consistent(self) -> TrainConfig:
        if (self.loss.distil_maps > 0) != (self.teacher_maps is not None):
            raise ValueError("`teacher_maps` and loss.distil_maps need each other")
        if self.teacher_maps is not None and len(self.teacher_maps.layers) != len(self.teachers):
            raise ValueError("teacher_maps.layers names one operation for each `teacher`")
        if self.teacher_maps is not None and self.keypoints is not None:
            raise ValueError("`teacher_maps` is not built for pose parts; leave it out")
        sides = [side for size in (self.input_size_wh, *(s.size_wh for s in self.sizes)) for side in size]
        if self.teacher_maps is not None and any(side % 16 for side in sides):
            raise ValueError("`teacher_maps` wants sides of crops in multiples of 16 px: input_size_wh and sizes")
        if self.teacher_maps is not None and not self.architecture.maps_of_stride_16:
            raise ValueError("`teacher_maps` wants a shared trunk or a branch of stride 1; this network has neither")
        return self

    @model_validator(mode="after")
    def _blocks_consistent(self) -> TrainConfig:
        if self.teacher_blocks is None:
            return self
        if len(self.teachers) != 1 or self.teacher_maps is not None:
            raise ValueError("`teacher_blocks` wants one `teacher`, and no `teacher_maps`")
        if self.teachers[0].flip:
            raise ValueError("`teacher_blocks` asks about each crop as it is: set `flip: false` for the `teacher`")
        if self.sizes:
            raise ValueError("`teacher_blocks` wants crops of the teacher's size all the time: leave out `sizes`")
        if self.trunk != "osnet" or not self.architecture.share or self.architecture.needs_pose:
            raise ValueError("`teacher_blocks` wants `trunk: osnet`, shared, and no pose parts")
        return self

    @model_validator(mode="after")
    def _starts_consistent(self) -> TrainConfig:
        if self.initial is not None and self.imagenet is not None:
            raise ValueError("`initial` and `imagenet` are two starts; name one")
        if self.initial_heads and self.initial is None:
            raise ValueError("`initial_heads` wants `initial`, beside which its checkpoint.pt lies")
        if self.architecture.needs_pose != (self.keypoints is not None):
            raise ValueError("`keypoints` and an architecture with `parts: pose` need each other")
        if self.architecture.needs_pose and self.unlabelled:
            raise ValueError("pose parts cannot learn from `unlabelled` crops, which have no keypoints")
        if self.architecture.needs_pose and self.discriminant is not None:
            raise ValueError("`discriminant` is not built for pose parts; leave it out")
        if self.loss.triplet and not self.architecture.whole:
            raise ValueError("the triplet loss needs a branch with `whole: true`; set loss.triplet to 0")
        if bool(self.unlabelled_crops) != bool(self.unlabelled):
            raise ValueError("`unlabelled` and `unlabelled_crops` need each other")
        if [size.progress for size in self.sizes] != sorted(size.progress for size in self.sizes):
            raise ValueError("`sizes` must ascend in progress")
        return self

    @property
    def teachers(self) -> tuple[EmbedderConfig, ...]:
        """The embedders to distil from."""
        if self.teacher is None:
            return ()
        return self.teacher if isinstance(self.teacher, tuple) else (self.teacher,)

    @property
    def stored_size_wh(self) -> tuple[int, int]:
        """Width and height that crops are decoded to: the largest they are trained at."""
        used = [self.input_size_wh, *(size.size_wh for size in self.sizes)]
        return max(width for width, _ in used), max(height for _, height in used)

    def size_at(self, progress: float) -> tuple[int, int]:
        """Width and height of the crops at `progress`."""
        started = [size.size_wh for size in self.sizes if size.progress <= progress]
        return started[-1] if started else self.input_size_wh
