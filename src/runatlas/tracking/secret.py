"""Secrets in an environment, a command line or a URL: found by name and by shape, and masked."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

__all__ = ["MASK", "mask_arguments", "mask_environment", "mask_text"]

MASK = "***"

_NAME = re.compile(
    r"secret|passw(?:or)?d|passphrase|apikey|private_?key|access_?key|credential|authorization|bearer|connection_?string"
    r"|token(?:[^a-z]|$)|(?:^|[^a-z])(?:creds|dsn|jwt|pat|pwd|otp|netrc)(?:[^a-z]|$)",
    re.IGNORECASE,
)
_WEAK_NAME = re.compile(
    r"(?:^|[^a-z])(?:keys?|tokens|pass|pw|pin|auth|cookies?|session|signature|salt|licen[cs]e|webhook)$", re.IGNORECASE
)
_PLAIN_VALUE = re.compile(r"[-+]?[0-9.]+(?:e[-+]?[0-9]+)?|true|false|none|yes|no", re.IGNORECASE)
"""What a weakly secret name may show: ``--num-keys=4`` is no secret."""

_HARMLESS = frozenset({"PWD", "OLDPWD", "SSH_AUTH_SOCK", "XDG_SESSION_TYPE", "XDG_SESSION_ID", "DESKTOP_SESSION"})

_SHAPES = re.compile(
    r"AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}"  # AWS
    r"|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,}|glpat-[A-Za-z0-9_-]{18,}"  # GitHub, GitLab
    r"|hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"  # Hugging Face, OpenAI, Stripe
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}"  # Slack, Google
    r"|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{30,}|dop_v1_[a-f0-9]{60,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # JSON web tokens
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)",
    re.DOTALL,
)
_USER_IN_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^/\s@]+@")
_WORD = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_RANDOM_BITS = 3.7
"""Shannon entropy a character above which a long mixed word counts as random; English paths stay below."""

_OPTION = re.compile(r"(?P<name>--?[A-Za-z][\w.-]*|[A-Za-z_][\w.-]*)=(?P<value>.*)", re.DOTALL)


def mask_text(text: str) -> str:
    """Mask what has the shape of a secret inside a text: known kinds of keys, users in URLs, long random words.

    Example:
        >>> mask_text("https://ann:hunter2@example.org/repo.git")
        'https://***@example.org/repo.git'
    """
    text = _SHAPES.sub(MASK, text)
    text = _USER_IN_URL.sub(rf"\g<scheme>{MASK}@", text)
    return _WORD.sub(lambda found: MASK if _is_random(found.group()) else found.group(), text)


def mask_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Mask the values of variables whose name says that they are secret, and secrets inside the other values."""
    return {name: _mask_value(name, value) for name, value in sorted(variables.items())}


def mask_arguments(arguments: Iterable[str]) -> list[str]:
    """Mask secrets in a command line: ``--password X``, ``--token=X``, ``key=X``, and by shape.

    Example:
        >>> mask_arguments(["train.py", "--api-key", "hunter2", "--lr=0.1"])
        ['train.py', '--api-key', '***', '--lr=0.1']
    """
    masked: list[str] = []
    name = ""
    for argument in arguments:
        option = _OPTION.fullmatch(argument)
        if name and not argument.startswith("-"):
            masked.append(_mask_value(name, argument))
        elif option:
            masked.append(f"{option['name']}={_mask_value(option['name'], option['value'])}")
        else:
            masked.append(mask_text(argument))
        name = argument if argument.startswith("-") and option is None else ""
    return masked


def _mask_value(name: str, value: str) -> str:
    if value and name not in _HARMLESS and _is_secret(name, value):
        return MASK
    return mask_text(value)


def _is_secret(name: str, value: str) -> bool:
    # apiKey becomes api_Key, so that the word is found.
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return bool(_NAME.search(name) or (_WEAK_NAME.search(name) and not _PLAIN_VALUE.fullmatch(value)))


def _is_random(word: str) -> bool:
    """Whether a long word mixes letters and digits as random ones do; hashes in lower case hex are let through."""
    kinds = sum(any(check(c) for c in word) for check in (str.islower, str.isupper, str.isdigit))
    if kinds < 3 or "/" in word.strip("/"):
        return False
    counts = Counter(word)
    entropy = -sum(n / len(word) * math.log2(n / len(word)) for n in counts.values())
    return entropy > _RANDOM_BITS
