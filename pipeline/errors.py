"""The errors a user can cause or meet, each with the exit code of the contract (docs/reliability.md)."""


class PasserbyError(Exception):
    """A fault told in one line: what, where, why, remedy. `exit_code` is what the process ends with."""

    exit_code = 2


class UsageError(PasserbyError):
    """Bad usage, configuration or weights: nothing was started (exit 2)."""


class CameraError(PasserbyError):
    """One camera cannot be read at all; the others go on (exit 3, or 4 when none is left).

    `code` is the machine-readable cause of run_report.json, e.g. `not_a_video`.
    """

    exit_code = 3

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoCameraError(PasserbyError):
    """No camera is usable (exit 4)."""

    exit_code = 4


class ResourceError(PasserbyError):
    """Disk or memory ran out; what was computed is kept and `--resume` continues (exit 5)."""

    exit_code = 5
