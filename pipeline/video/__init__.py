"""Video files in (reader) and out (writer), through PyAV."""

from pipeline.video.probe import VideoInfo, probe
from pipeline.video.reader import VideoReader
from pipeline.video.report import ReadReport
from pipeline.video.writer import VideoWriter

__all__ = ["ReadReport", "VideoInfo", "VideoReader", "VideoWriter", "probe"]
