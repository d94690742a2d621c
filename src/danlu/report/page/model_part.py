"""The model layer by layer, and what it takes to make the same run again."""

from __future__ import annotations

from danlu.report.page.contents import Layer, Model, Reproduce
from danlu.report.page.tables import facts, heading, more, shown_of, table
from danlu.report.page.words import both, compact, count, escape, name, tr

MOST_LAYERS, MOST_HASHES = 600, 300
OPEN_LAYERS = 40  # a longer table is folded


def model(contents: Model) -> str:
    """Name, totals, and the table of layers."""
    out = [f'<p class="named">{name(contents.name, 200)}</p>'] if contents.name else []
    layers = contents.layers
    parameters = contents.parameters if contents.parameters is not None else sum(one.parameters for one in layers)
    known = [one.flops for one in layers if one.flops is not None]
    flops = contents.flops if contents.flops is not None else sum(known) if known else None
    figures = []
    if layers or contents.parameters is not None:
        figures.append((tr("page.parameters"), compact(parameters), count(parameters)))
    if flops is not None:
        figures.append((tr("page.flops"), compact(flops), count(flops)))
    out.append(numbers(figures))
    out.append(facts(contents.totals))
    if layers:
        shown = layer_table(layers[:MOST_LAYERS]) + shown_of(min(len(layers), MOST_LAYERS), len(layers))
        out.append(
            shown if len(layers) <= OPEN_LAYERS else more(tr("page.layers.all", count=count(len(layers))), shown)
        )
    return "".join(out)


def numbers(figures: list[tuple[str, str, str]]) -> str:
    cells = "".join(f'<div><dt>{n}</dt><dd title="{full}">{short}</dd></div>' for n, short, full in figures)
    return f'<dl class="figures">{cells}</dl>' if cells else ""


def layer_table(layers: tuple[Layer, ...]) -> str:
    heads = [tr(f"page.layer.{h}") for h in ("name", "type", "shape", "parameters", "flops")]
    flops = any(one.flops is not None for one in layers)
    rows = []
    for one in layers:
        shape = one.shape if isinstance(one.shape, str) else "×".join(str(s) for s in one.shape)
        cells = [f"<code>{name(one.name, 80)}</code>", name(one.type, 60), escape(shape), count(one.parameters)]
        rows.append(cells + [compact(one.flops) if one.flops is not None else ""] * flops)
    return table(heads[: 4 + flops], rows, name=both("page.layers"), kinds="ttnn" + "n" * flops, look="layers")


def reproduce(contents: Reproduce) -> str:
    out = [f"<pre><code>{escape(contents.command)}</code></pre>"] if contents.command else []
    out.append(facts(contents.facts))
    if contents.config:
        out.append(more("<code>run.toml</code>", f"<pre><code>{escape(contents.config)}</code></pre>"))
    if contents.versions:
        rows = [[name(package, 80), f"<code>{name(version, 80)}</code>"] for package, version in contents.versions]
        heads = [tr("page.package"), tr("page.version")]
        out += [heading(tr("page.versions")), table(heads, rows, name=both("page.versions"), kinds="tw")]
    if contents.hashes:
        rows = [[name(file, 120), f'<code class="hash">{name(digest, 128)}</code>'] for file, digest in contents.hashes]
        shown = table([tr("page.file"), "SHA-256"], rows[:MOST_HASHES], name=both("page.hashes"), kinds="tw")
        out += [heading(tr("page.hashes")), shown, shown_of(min(len(rows), MOST_HASHES), len(rows))]
    return "".join(out)
