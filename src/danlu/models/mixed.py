"""Images beside numbers and categories: one trunk for all images, the table's own model for the rest, one head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from danlu.models.tabular import tabular

WIDTH = 128  # numbers that the trunk gives for an image, and the table's model for a row


class Mixed(nn.Module):
    """``forward(image, image2, …[, numbers (B, n + missing flags)][, categories (B, m)])`` → (B, outputs).

    Images are (B, C, H, W), as many as there are image columns; the same ``trunk`` sees each of them. Numbers and
    categories are given where the table has such columns. All features together go through one hidden layer.
    """

    def __init__(
        self,
        trunk: nn.Module,
        images: int,
        sizes: tuple[int, int, Sequence[int]],
        outputs: int,
        *,
        width: int,
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        numbers, flags, categories = sizes
        self.images, self.has_numbers, self.has_categories = images, numbers > 0, bool(categories)
        self.trunk = trunk
        any_rows = numbers > 0 or bool(categories)
        self.rows = (
            tabular(numbers=numbers, flags=flags, categories=categories, outputs=width, dropout=dropout)
            if any_rows
            else None
        )
        features = width * (images + any_rows)
        self.hidden = nn.Linear(features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, *parts: Tensor) -> Tensor:
        found = [self.trunk(image) for image in parts[: self.images]]
        if self.rows is not None:
            numbers, categories = self._blocks(parts[self.images :], len(parts[0]))
            found.append(self.rows(numbers, categories))
        x = torch.cat(found, 1).relu()  # (B, width · (images + 1))
        return self.head(self.dropout(self.hidden(x).relu()))  # type: ignore[no-any-return]

    def _blocks(self, given: Sequence[Tensor], rows: int) -> tuple[Tensor, Tensor]:
        """Numbers and categories, one of which the table may not have."""
        numbers = given[0] if self.has_numbers else given[0].new_zeros(rows, 0, dtype=torch.float32)
        categories = given[-1] if self.has_categories else given[0].new_zeros(rows, 0, dtype=torch.int64)
        return numbers, categories


def mixed(
    trunk: nn.Module,
    *,
    images: int,
    outputs: int,
    numbers: int = 0,
    flags: int = 0,
    categories: Sequence[int] = (),
    width: int = WIDTH,
    hidden: int = 256,
    dropout: float = 0.1,
) -> Mixed:
    """``trunk``: a model of one image that answers with ``width`` numbers; the rest as in ``tabular``."""
    return Mixed(trunk, images, (numbers, flags, categories), outputs, width=width, hidden=hidden, dropout=dropout)
