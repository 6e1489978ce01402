"""python -m scalelib is the command scalelib."""

import sys

from scalelib.cli import main

if __name__ == "__main__":
    sys.exit(main())
