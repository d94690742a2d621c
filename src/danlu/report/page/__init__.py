"""report.html: one offline page that shows how good a model is, against what, and whether to believe it."""

from danlu.report.page.contents import Page
from danlu.report.page.frame import render

__all__ = ["Page", "render"]
