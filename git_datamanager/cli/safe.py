"""Text from elsewhere made harmless for a terminal; without click, for programs that Git waits for."""

import re

# What could steer a terminal or reorder its text: controls, bidi marks and isolates, line separators.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Make text from elsewhere harmless on a terminal (CVE-2024-52005): one line, escapes shown."""
    return _UNSAFE.sub(lambda m: f"\\u{ord(m[0]):04x}", text).replace("\n", "\\n").replace("\t", " ")
