"""python -m scalelib is the command scalelib."""

import sys

from scalelib.cli import main

sys.exit(main())
