"""report.html: one offline page that shows how good a model is, against what, and whether to believe it."""
