"""benchmarks/ and tools/ are not installed: they run from the checkout."""

import sys
from pathlib import Path

# Last, so that a built workspace still comes first.
sys.path.append(str(Path(__file__).resolve().parents[2]))
