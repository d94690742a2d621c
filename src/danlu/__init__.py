"""danlu 丹炉: from your own data to a PyTorch model you can trust and use."""

from __future__ import annotations

__version__ = "0.1.0"
