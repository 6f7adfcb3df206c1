"""Print `cuda` if the installed torch needs the packages of requirements-cuda.lock, else `cpu`; imports neither."""

from importlib.metadata import requires

wanted = requires("torch") or []
print("cuda" if any(line.startswith(("nvidia-", "cuda-", "triton")) for line in wanted) else "cpu")  # noqa: T201
