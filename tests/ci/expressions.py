"""The expressions of GitHub Actions, as far as our files use them: `${{ a.b || 'x' }}`.

Paths, strings, == != && || !, parentheses, format(), toJSON(), always(), and `.*.` over a list.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(&&|\|\||==|!=|!|\(|\)|,)|(\d+)|([A-Za-z_][\w.*-]*))")
_WHOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


def substitute(text: str, context: Mapping[str, Any]) -> str:
    """The text with every expression replaced by its value."""
    return _WHOLE.sub(lambda m: shown(evaluate(m[1], context)), text)


def evaluate(text: str, context: Mapping[str, Any]) -> Any:
    parser = _Parser(text, context)
    value = parser.either()
    assert parser.at == len(parser.tokens), f"not understood: {text}"
    return value


def shown(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Parser:
    def __init__(self, text: str, context: Mapping[str, Any]) -> None:
        self.tokens = [match.groups() for match in _TOKEN.finditer(text.strip())]
        assert "".join(m[0] for m in _TOKEN.finditer(text.strip())) == text.strip(), f"not understood: {text}"
        self.context = context
        self.at = 0

    def taken(self, sign: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at][1] == sign:
            self.at += 1
            return True
        return False

    def either(self) -> Any:
        value = self.both()
        while self.taken("||"):
            other = self.both()
            value = value or other
        return value

    def both(self) -> Any:
        value = self.compared()
        while self.taken("&&"):
            other = self.compared()
            value = value and other
        return value

    def compared(self) -> Any:
        value = self.single()
        for sign in ("==", "!="):
            if self.taken(sign):
                same = (value or "") == (self.single() or "")
                return same if sign == "==" else not same
        return value

    def single(self) -> Any:
        if self.taken("!"):
            return not self.single()
        if self.taken("("):
            value = self.either()
            assert self.taken(")")
            return value
        string, _, number, name = self.tokens[self.at]
        self.at += 1
        if string is not None:
            return string[1:-1].replace("''", "'")
        if number is not None:
            return int(number)
        return self.call(name) if self.taken("(") else self.path(name)

    def call(self, name: str) -> Any:
        arguments = []
        while not self.taken(")"):
            arguments.append(self.either())
            self.taken(",")
        functions = {
            "toJSON": lambda value: json.dumps(value, indent=2),
            "format": lambda text, *values: text.format(*values),
            "always": lambda: True,
        }
        return functions[name](*arguments)

    def path(self, name: str) -> Any:
        value: Any = self.context
        for part in name.split("."):
            if part == "*":
                value = list(value or [])
            elif isinstance(value, list):
                value = [item.get(part) for item in value]
            else:
                value = value.get(part) if isinstance(value, Mapping) else None
        return value
