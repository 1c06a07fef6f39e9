"""The wheel: the project's tree as it is in a checkout, found by a path file; all else stands in pyproject.toml.

Rules, steps, templates and studies are read from the tree beside the library, so an installed copy has the same tree.
"""

from pathlib import Path
from shutil import copy2

from setuptools import setup
from setuptools.command.build_py import build_py

HOME = "ttstudy_home"
TREE = (
    *("Snakefile", "config.yaml", "LICENSE", "scripts/**/*", "envs/**/*"),
    *("reports/templates/**/*", "reports/viewer/*", "reports/captions/**/*", "reports/published.csv", "workflow/**/*"),
    "build/site/**/*",  # the documentation, where `make docs` has built it
)
"""What a study needs, by patterns from the root of the checkout."""


class Tree(build_py):
    """Copies the tree into the wheel; an editable installation is the checkout itself."""

    def run(self) -> None:
        """Build."""
        if self.editable_mode:
            super().run()
            return
        for path, place in self._files().items():
            place.parent.mkdir(parents=True, exist_ok=True)
            copy2(path, place)
        Path(self.build_lib, "ttstudy.pth").write_text(f"{HOME}/workflow\n")

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Everything that is in the wheel."""
        if self.editable_mode:
            return super().get_outputs(include_bytecode)
        return [*map(str, self._files().values()), str(Path(self.build_lib, "ttstudy.pth"))]

    def _files(self) -> dict[Path, Path]:
        found = (path for pattern in TREE for path in Path().glob(pattern) if path.is_file())
        return {path: Path(self.build_lib, HOME, path) for path in found if "__pycache__" not in path.parts}


setup(cmdclass={"build_py": Tree})
