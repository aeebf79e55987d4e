"""Where a report comes from: the code, the models, the data, the machine, the command, the day."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import whichpage
from whichpage.cores import usable_cores
from whichpage.encoder import SHIPPED_ENCODER
from whichpage.features import SHIPPED_FEATURES
from whichpage.pagefinder import SHIPPED_FINDER

_PACKAGE = Path(whichpage.__file__).parent
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Provenance:
    """What must be known to judge a report, or to repeat it.

    commit: of the repository, "+" behind it when files of it had been changed; the version where whichpage
        does not run from a repository.
    code: first 16 hex digits of a SHA-256 over the package's source files.
    models: what each model file is for -> first 16 hex digits of its SHA-256.
    data: first 16 hex digits of a SHA-256 over what was measured on.
    machine: processor, cores, memory, system and Python, as words.
    """

    commit: str
    code: str
    models: dict[str, str]
    data: str
    command: str
    date: str
    machine: dict[str, str]

    def rows(self) -> list[tuple[str, str]]:
        """As pairs of words, for a table."""
        plain = {k: v for k, v in asdict(self).items() if isinstance(v, str)}
        models = {f"model, {name}": digest for name, digest in self.models.items()}
        return [*plain.items(), *models.items(), *self.machine.items()]

    def key(self, *, but: Collection[str] = ()) -> dict[str, str]:
        """What a resumed run must share with the one that began it.

        Not the commit: another one may differ in documents alone, and where code differs, `code` does.

        but: models that what is kept does not depend on.
        """
        models = {name: digest for name, digest in self.models.items() if name not in but}
        return {"code": self.code, "data": self.data, **models}


def own_models(encoder: Path | None) -> dict[str, Path]:
    """What each model that whichpage finds with is for -> its file.

    encoder: None for the shipped one.
    """
    return {
        "encoder": encoder or SHIPPED_ENCODER,
        "page finder": SHIPPED_FINDER,
        "local features": SHIPPED_FEATURES,
    }


def provenance(*, models: Mapping[str, Path], data: str, command: str | None = None) -> Provenance:
    """Describes this run.

    models: what for -> file. data: a digest, as `digest_files` gives. command: else that of this process.
    """
    return Provenance(
        commit=commit(),
        code=digest_files(sorted(_PACKAGE.rglob("*.py")), below=_PACKAGE),
        models={name: digest_files([path]) for name, path in models.items()},
        data=data,
        command=command or shlex.join(["whichpage", *sys.argv[1:]]),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine(),
    )


def commit() -> str:
    """The commit that runs, "+" behind it when tracked files differ from it; else the version."""
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", str(_PACKAGE), *words], capture_output=True, text=True, check=True
            ).stdout.strip()
            for words in (
                ("rev-parse", "--short=12", "HEAD"),
                ("status", "--porcelain", "--untracked-files=no"),
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return whichpage.__version__
    return head + "+" * bool(changes)


def machine() -> dict[str, str]:
    """Processor, cores, memory, system, Python."""
    return {
        "processor": _processor(),
        "cores": str(usable_cores()),
        "memory": _memory(),
        "system": _system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def digest_files(paths: Iterable[Path], *, below: Path | None = None) -> str:
    """First 16 hex digits of a SHA-256 over files, in the order given: their names, sizes and bytes.

    below: names count from this folder; without it they do not count.
    """
    whole = hashlib.sha256()
    for path in paths:
        if below is not None:
            whole.update(path.relative_to(below).as_posix().encode())
        whole.update(path.stat().st_size.to_bytes(8, "big"))
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                whole.update(block)
    return whole.hexdigest()[:16]


def digest_texts(texts: Iterable[str]) -> str:
    """First 16 hex digits of a SHA-256 over texts, each with its length."""
    whole = hashlib.sha256()
    for text in texts:
        data = text.encode("utf-8", "surrogateescape")
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()[:16]


def digest_bytes(data: bytes) -> str:
    """First 16 hex digits of a SHA-256 over bytes."""
    return hashlib.sha256(data).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    name = facts.get("model name") or platform.machine()
    family = f" (family {facts['cpu family']}, model {facts['model']})" if "cpu family" in facts else ""
    widest = next((w for w in ("avx512f", "avx2") if w in facts.get("flags", "").split()), "")
    return f"{name}{family}{', ' + widest if widest else ''}"


def _memory() -> str:
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{total / 2**30:.1f} GiB"


def _system() -> str:
    try:
        name = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        name = f"{platform.system()} {platform.release()}"
    return f"{name}, {platform.machine()}"
