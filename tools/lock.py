"""Write requirements.lock and requirements-cuda.lock from pyproject.toml: pinned, hashed, naming no registry.

The packages that only a CUDA build of torch needs stand in a file of their own, and the CPU build of the same release
(local version `+cpu`) in requirements-cpu.lock, so that a machine whose index offers that build does not fetch
gigabytes it cannot use. Pass the CPU wheel to pin its hash; without it that file stays as it is.

    .venv/bin/python tools/lock.py [torch-...+cpu-....whl]
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CUDA_ONLY = re.compile(r"^(nvidia-(?!ml-py)|cuda-|triton==)")
HEAD = "# Made by tools/lock.py from pyproject.toml; do not edit. Install with pip --require-hashes --no-deps.\n"


def resolve() -> list[str]:
    """One block of text a package: its pin and its hashes."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--extra", "dev", "--generate-hashes",
               "--universal", "--python-version", "3.11", "--no-header", "--no-annotate", "--quiet"]  # fmt: skip
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return re.findall(r"^\S[^\n]*\\\n(?:    --hash[^\n]*\n?)+", text, flags=re.MULTILINE)


def main(cpu_wheels: list[str]) -> None:
    """Resolve and write both files."""
    blocks = [b if b.endswith("\n") else b + "\n" for b in resolve() if "python_full_version >= '3.12'" not in b]
    for wheel in cpu_wheels:
        name, version = Path(wheel).name.split("-")[:2]
        pin = f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(Path(wheel).read_bytes()).hexdigest()}\n"
        (ROOT / "requirements-cpu.lock").write_text(HEAD + pin, encoding="utf-8")
    cuda = [b for b in blocks if CUDA_ONLY.match(b)]
    (ROOT / "requirements.lock").write_text(HEAD + "".join(b for b in blocks if b not in cuda), encoding="utf-8")
    (ROOT / "requirements-cuda.lock").write_text(HEAD + "".join(cuda), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
