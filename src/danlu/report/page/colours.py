"""The page's colours for light and dark, after Okabe and Ito's palette for every kind of colour vision."""

from __future__ import annotations

Rgb = tuple[int, int, int]

# jfly.uni-koeln.de/color: blue, vermilion, green, purple, orange, sky, pink, grey; lighter ones on dark ground
LIGHT = {
    "bg": "fcfcfa",
    "raised": "ffffff",
    "ink": "1c2127",
    "soft": "5c6670",
    "line": "e3e5e6",
    "accent": "b23a24",
    "c0": "a9b1b9",
    "c1": "0072b2",
    "c2": "d55e00",
    "c3": "009e73",
    "c4": "8457ab",
    "c5": "dc9300",
    "c6": "56b4e9",
    "c7": "cc79a7",
    "c8": "55606b",
    "good": "0a7d5a",
    "warn": "9a5b00",
    "bad": "b3261e",
    "shade": "0000001f",
}
DARK = {
    "bg": "15181b",
    "raised": "1d2125",
    "ink": "e7e9eb",
    "soft": "9fa8b1",
    "line": "30363c",
    "accent": "f08a72",
    "c0": "6c7680",
    "c1": "5cb3ec",
    "c2": "f28a4b",
    "c3": "35c79d",
    "c4": "b996e2",
    "c5": "f1b94d",
    "c6": "8ccff5",
    "c7": "e5a3c6",
    "c8": "b3bcc5",
    "good": "4fce9f",
    "warn": "f1b94d",
    "bad": "ff8a80",
    "shade": "00000099",
}
LEVELS = range(1, 10)


def rgb(code: str) -> Rgb:
    return int(code[:2], 16), int(code[2:4], 16), int(code[4:], 16)


def mix(front: Rgb, back: Rgb, share: float) -> Rgb:
    red, green, blue = (round(share * f + (1 - share) * b) for f, b in zip(front, back))
    return red, green, blue


def luminance(colour: Rgb) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [c / 255 for c in colour]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a: Rgb, b: Rgb) -> float:
    """Contrast ratio, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def readable(back: Rgb) -> Rgb:
    """Black or white, whichever stands out more on ``back``: at least 4.58, the root of 21."""
    return max((0, 0, 0), (255, 255, 255), key=lambda c: contrast(c, back))


def variables(palette: dict[str, str]) -> str:
    return "".join(f"--{name}:#{code};" for name, code in palette.items())


def shades(palette: dict[str, str]) -> str:
    """The nine shades of the confusion matrix: r1 … r9 for right answers, w1 … w9 for wrong ones."""
    out = []
    for letter, hue in (("r", "c1"), ("w", "c2")):
        for level in LEVELS:
            back = mix(rgb(palette[hue]), rgb(palette["bg"]), level / 9)
            out.append(f".{letter}{level}{{background:{css(back)};color:{css(readable(back))}}}")
    return "".join(out)


def css(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
