"""Tests of the bench: `make test-bench` runs them, where its extra is installed."""

from __future__ import annotations

import cv2

# Images this small gain nothing from a second core.
cv2.setNumThreads(1)
