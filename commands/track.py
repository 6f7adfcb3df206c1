"""`run.py track`: videos in, one identity per person out."""

from __future__ import annotations

import argparse

from commands.track_arguments import add_arguments, overrides

__all__ = ["add_arguments", "run"]


def run(args: argparse.Namespace) -> int:
    """Check what was asked, then track, associate and write. Returns the exit code of the contract."""
    from commands.cameras import parse_videos, refuse_unknown_cameras  # noqa: PLC0415 - keep --help light
    from commands.model_files import refuse_missing_models  # noqa: PLC0415
    from pipeline.config_loading import load_config  # noqa: PLC0415
    from pipeline.errors import UsageError  # noqa: PLC0415
    from pipeline.outputs.run_directory import RunDirectory  # noqa: PLC0415

    if args.start is not None and args.end is not None and args.start >= args.end:
        raise UsageError(f"--start {args.start:g} s must lie before --end {args.end:g} s")
    files = parse_videos(args.videos, allow_duplicates=args.allow_duplicates)
    config = load_config(args.config, overrides(args))
    refuse_unknown_cameras(config.cameras, [camera_id for camera_id, _ in files])
    refuse_missing_models(config)
    with RunDirectory.create(args.output, overwrite=args.overwrite, resume=args.resume) as directory:
        try:
            from commands.track_run import track  # noqa: PLC0415 - heavy: only once the arguments make sense
        except KeyboardInterrupt:
            directory.abandon()
            raise
        return track(args, files, config, directory)
