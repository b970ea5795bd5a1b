"""Text for people to read: what others wrote must not steer a terminal, nor turn a line around."""

from __future__ import annotations

import re

__all__ = ["are", "counted", "more_of", "none_has", "printable", "printable_lines", "size_text"]

_UNSEEN = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u070f\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0001-\U000e007f"
)
"""Control characters, direction marks, and what takes no place; joiners are part of words and of emoji."""
_STEERING = re.compile(f"[{_UNSEEN}]")
_STEERING_IN_LINES = re.compile(f"(?![\n\t])[{_UNSEEN}]")
_KIBI = 1024
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


def printable(text: str) -> str:
    r"""Return a text with everything that a terminal obeys instead of showing it written out.

    Args:
        text: What somebody wrote: a name, a tag, a sentence of a server.

    Example:
        >>> printable("\x1b[2Jfirst \u202etxt")
        '\\x1b[2Jfirst \\u202etxt'
    """
    return text if text.isprintable() else _STEERING.sub(_written, text)


def printable_lines(text: str) -> str:
    """Return lines as ``printable`` does: they stay lines, and lose their colours.

    Args:
        text: What a program printed.

    Example:
        >>> printable_lines("\x1b[32mok\x1b[0m" + chr(10) + "done")
        'ok\\ndone'
    """
    return text if text.isprintable() else _STEERING_IN_LINES.sub(_written, _COLOUR.sub("", text))


def counted(number: int, noun: str) -> str:
    """Write a number of things.

    Args:
        number: How many.
        noun: What, in the singular.

    Example:
        >>> counted(1, "run"), counted(1200, "run"), counted(0, "entry"), counted(2, "key")
        ('1 run', '1,200 runs', '0 entries', '2 keys')
    """
    several = f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"
    return f"{number:,} {noun if number == 1 else several}"


def size_text(size: int) -> str:
    """Write a number of bytes for people.

    Args:
        size: How many.

    Example:
        >>> size_text(0), size_text(1023), size_text(1 << 20)
        ('0 B', '1023 B', '1.0 MiB')
    """
    value, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < _KIBI:
            break
        value, unit = value / _KIBI, larger
    return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"


def are(number: int) -> str:
    """Return the verb that belongs to a number of things."""
    return "is" if number == 1 else "are"


def more_of(left: int, noun: str) -> str:
    """Say how many are not told one by one.

    Args:
        left: How many.
        noun: What, in the singular.

    Example:
        >>> more_of(1200, "run")
        '… and 1,200 more runs'
    """
    return f"… and {counted(left, f'more {noun}')}"


def none_has(runs: int, what: str) -> str:
    """Say that no run of some has something.

    Args:
        runs: How many runs were looked at, one at least.
        what: What none has.

    Example:
        >>> none_has(1, "val_loss"), none_has(1200, "val_loss")
        ('the run has no val_loss', 'none of 1,200 runs has val_loss')
    """
    return f"the run has no {what}" if runs == 1 else f"none of {runs:,} runs has {what}"


def _written(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape", "surrogatepass").decode("ascii")
