"""Tiny packages for tests that install: wheels, which are zip files, and a folder that has them."""

import zipfile
from pathlib import Path


def write(folder: Path, name: str, version: str, has_module: bool = True) -> Path:
    """A wheel of a module that knows its `VERSION`, or of a version's number alone."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    files = {
        **({f"{name}.py": f"VERSION = {version!r}\n"} if has_module else {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    rows = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in {**files, f"{info}/RECORD": rows}.items():
            wheel.writestr(file, text)
    return path


def use_alone(monkeypatch, folder: Path) -> None:
    """Lets pip see the wheels of a folder, and no index."""
    for variable in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL", "PIP_CONSTRAINT"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")  # of this machine's user
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def unpacked(folder: Path, name: str, version: str, where: Path) -> None:
    """A package of `write` in a folder that can be put on the path, metadata and all."""
    with zipfile.ZipFile(write(folder, name, version)) as wheel:
        wheel.extractall(where)
