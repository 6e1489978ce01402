"""Write scale-spaces.png, the picture of README.md: the static figure of the landing page.

The record of its making lies inside the file; scalelib.provenance.read takes it out.
"""

from __future__ import annotations

from pathlib import Path

from scalelib.widgets import ScaleExplorer

PICTURE = Path(__file__).resolve().parent.parent / "scale-spaces.png"

if __name__ == "__main__":
    ScaleExplorer().fallback().save(PICTURE)
