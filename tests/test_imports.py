"""Dependencies point one way, and the installed core knows neither training nor PyTorch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import whichpage

ROOT = Path(whichpage.__file__).parent

# A module imports from lower floors only. A new module needs its place here.
FLOORS = (
    ("__init__", "types", "errors", "printed", "cores", "bits"),
    (
        "files",
        "database",
        "bitmaps",
        "encoder",
        "settings",
        "lazy",
        "textlayer",
        "blocks",
        "contrast",
        "placing",
        "warps",
    ),
    ("sources", "photo", "index", "catalog", "answers", "viewer", "keypoints", "registration"),
    ("adding", "checking", "tasks", "pagefinder", "hypotheses", "verify", "features"),
    ("reading",),
    ("worker", "textmatch", "featureindex", "featurematch", "lookalikes", "resemblance"),
    ("pool", "sameprint", "witness", "featuresearch"),
    ("indexing", "findoptions", "query"),
    ("transcribing", "describing", "aligning"),
    ("matching",),
    ("finding",),
    ("library",),
    ("terminal",),
    ("pictures",),
    ("cli",),
    ("__main__",),
)
FLOOR = {name: number for number, floor in enumerate(FLOORS) for name in floor}
CORE = sorted(ROOT.glob("*.py"))
WEB = sorted((ROOT / "web").rglob("*.py"))
# What the extra `web` brings.
SERVER = (
    "cryptography",
    "fastapi",
    "prometheus_client",
    "pydantic",
    "python_multipart",
    "segno",
    "starlette",
    "uvicorn",
)


def imported(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it, `whichpage.` names in full."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports by relative name"
            found.add(node.module or "")
            if node.module == "whichpage":
                found |= {f"whichpage.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_core_imports_point_down(path: Path) -> None:
    assert path.stem in FLOOR, f"say in FLOORS where {path.name} belongs"
    if path.stem == "__init__":
        return  # it only names the homes of what it offers
    for name in imported(path):
        module = name.removeprefix("whichpage.").split(".")[0]
        if name.startswith("whichpage.") and (ROOT / f"{module}.py").exists():
            assert FLOOR[module] < FLOOR[path.stem], f"{path.stem} must not import {module}"


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_core_knows_no_training(path: Path) -> None:
    banned = {"torch", "torchvision", "pytorch_lightning", "pdf2image", "matplotlib", "onnx"}
    banned |= {"whichpage.training", "whichpage.benchmark"}
    assert not {name for name in imported(path) if any((name + ".").startswith(b + ".") for b in banned)}


def test_command_of_the_training_loads_without_its_extra() -> None:
    """Its options must be known where PyTorch is not installed; what it runs is imported when it runs."""
    program = "import sys; from whichpage.training.command import train; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "onnx", "matplotlib", "numpy"} & set(done.stdout.split())


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_core_knows_no_server(path: Path) -> None:
    banned = {*SERVER, "whichpage.web"}
    assert not {name for name in imported(path) if any((name + ".").startswith(b + ".") for b in banned)}


@pytest.mark.parametrize("path", WEB, ids=lambda path: path.stem)
def test_the_server_uses_the_core_alone(path: Path) -> None:
    banned = {"torch", "matplotlib", "onnx", "whichpage.training", "whichpage.benchmark", "whichpage.cli"}
    assert not {name for name in imported(path) if any((name + ".").startswith(b + ".") for b in banned)}


def test_the_command_to_serve_loads_no_server() -> None:
    light = imported(ROOT / "web" / "command.py") | imported(ROOT / "web" / "__init__.py")
    assert light == {
        "__future__",
        "click",
        "whichpage.lazy",
        "whichpage.settings",
        "whichpage.web.server",  # when it is called
    }


def test_imports_are_seen() -> None:
    """The walk above finds imports inside functions and of both forms, so that it can fail."""
    assert {"whichpage.library", "whichpage.terminal", "click"} <= imported(ROOT / "cli.py")


def test_version_loads_nothing_heavy() -> None:
    program = "import sys; from whichpage.cli import run; run(['--version']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    version, modules = done.stdout.splitlines()
    assert version == f"whichpage {whichpage.__version__}"
    assert "whichpage.cli" in modules.split()
    assert not {"numpy", "cv2", "onnxruntime", "faiss", "rich", "PIL", *SERVER} & set(modules.split())
