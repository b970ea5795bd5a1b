"""Small graphics inside of HTML: a line of numbers, and pictures."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

from runatlas.display.markup import Html, text
from runatlas.terminal import counted

__all__ = ["PICTURE_MAX", "figure", "is_drawn", "picture", "sparkline", "unseen"]

_DRAWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"})
"""What every browser draws, and nothing that could hold a script."""
PICTURE_MAX = 512 * 1024
"""How many bytes of one picture go into a page."""

_WIDTH, _HEIGHT, _EDGE = 120, 24, 3
_BUCKETS = 40
_TYPE = 60


def sparkline(values: Sequence[float]) -> Html:
    """Draw numbers as a line, with what it shows in words; what is not finite is a gap.

    Args:
        values: The numbers, in order; of many the smallest and the largest of every stretch are drawn.

    Example:
        >>> "3 values from 1 to 2, between 1 and 2" in sparkline([1.0, float("nan"), 2.0]).text
        True
        >>> sparkline([]).text
        ''
    """
    finite = list(filter(math.isfinite, values))
    if not finite:
        return Html("")
    low, high = min(finite), max(finite)
    told = f"{counted(len(values), 'value')} from {finite[0]:.6g} to {finite[-1]:.6g}, between {low:.6g} and {high:.6g}"
    drawn = _thinned(values)
    pieces: list[list[str]] = [[]]
    for index, held in enumerate(drawn):
        if math.isfinite(held):
            across = _EDGE + (_WIDTH - 2 * _EDGE) * (index / (len(drawn) - 1) if len(drawn) > 1 else 0.5)
            # Halves, as the difference of two numbers may be more than a number can be.
            part = (held / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.5
            pieces[-1].append(f"{across:.1f} {_HEIGHT - _EDGE - (_HEIGHT - 2 * _EDGE) * part:.1f}")
        elif pieces[-1]:
            pieces.append([])
    # A stretch of one value is a dot: a line of no length with round ends.
    path = "".join(f"M{'L'.join(piece if len(piece) > 1 else piece * 2)}" for piece in pieces if piece)
    line = f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round"/>'
    size = f'width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    return Html(f'<svg role="img" aria-label="{text(told).text}" {size}>{line}</svg>')


def _thinned(values: Sequence[float]) -> Sequence[float]:
    """Return at most two values of every stretch, in their order; a stretch without a finite one stays a gap."""
    if len(values) <= 2 * _BUCKETS:
        return values
    found: list[float] = []
    for bucket in range(_BUCKETS):
        part = values[bucket * len(values) // _BUCKETS : (bucket + 1) * len(values) // _BUCKETS]
        finite = list(filter(math.isfinite, part))
        if not finite:
            found.append(math.nan)
            continue
        low, high = min(finite), max(finite)
        found += [low] if low == high else [low, high] if finite.index(low) < finite.index(high) else [high, low]
    return found


def picture(content: bytes, mime_type: str, title: str, *, width: str = "240px") -> Html:
    """Show a picture, whose bytes go into the page; another kind of file, or one too large, is told by its size.

    Args:
        content: The file.
        mime_type: Its type.
        title: What is read where it cannot be seen.
        width: How wide it is at the most.
    """
    if not is_drawn(mime_type, len(content)):
        return unseen(mime_type, len(content))
    data = base64.b64encode(content).decode()
    return Html(f'<img src="data:{mime_type};base64,{data}" alt="{text(title).text}" style="max-width:{width}">')


def is_drawn(mime_type: str, size: int | None) -> bool:
    """Tell whether a picture of that type and size goes into a page."""
    return mime_type in _DRAWN and (size or 0) <= PICTURE_MAX


def unseen(mime_type: str, size: int | None) -> Html:
    """Tell of a file that is not shown."""
    told = "" if size is None else f", {counted(size, 'byte')}"
    return Html(f"({text(mime_type or 'a file', _TYPE).text}{told})")


def figure(content: Html, *captions: str) -> Html:
    """Put words below something that is looked at."""
    said = "<br>".join(text(caption).text for caption in captions if caption)
    style = "display:inline-block;margin:.4em .8em .4em 0;vertical-align:top"
    return Html(f'<figure style="{style}">{content.text}<figcaption>{said}</figcaption></figure>')
