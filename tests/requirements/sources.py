"""Finds the items of the sources that a clause names: `sctp-user/core/src/tx/sack.rs::locate`, or, where a file has several
of that name, `sctp-user/core/src/auth/offer.rs::AuthParameters::read`.
"""

import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Missing(Exception):
    """A named item is not there."""


@dataclasses.dataclass(frozen=True)
class Item:
    """An item with the comments in front of it."""

    path: pathlib.Path
    name: str
    # Offsets in the file: the first comment or attribute, the item itself, its end.
    start: int
    begin: int
    end: int

    def text(self):
        return self.path.read_text(encoding="utf-8")[self.start : self.end]


def find(reference):
    """The function, constant or test that `file::name` stands for; raises Missing."""
    file, _, name = reference.partition("::")
    path = ROOT / file
    if not name or not path.is_file():
        raise Missing(f"{reference}: no such file")
    source = path.read_text(encoding="utf-8")
    kind = r"(?:pub(?:\([^)]*\))?\s+)?(?:const\s+)?(?:async\s+)?(?:unsafe\s+)?"
    owner, _, name = name.rpartition("::")
    behind = re.search(rf"^impl\b[^{{]*\b{owner}\b[^{{]*\{{", source, re.M) if owner else None
    if owner and not behind:
        raise Missing(f"{reference}: no such type")
    item = re.compile(rf"^[ \t]*{kind}(?:fn|const|static|struct|enum)\s+{re.escape(name)}\b", re.M)
    declaration = item.search(source, behind.end() if behind else 0)
    if not declaration:
        raise Missing(f"{reference}: no such item")
    begin = declaration.start()
    return Item(path, name, comments_before(source, begin), begin, end_of(source, declaration.end()))


def comments_before(source, begin):
    """Where the comments and attributes in front of an item start."""
    start = begin
    while start > 0:
        line_start = source.rfind("\n", 0, start - 1) + 1
        line = source[line_start : start - 1].strip()
        if not line.startswith(("//", "#[", "/*", "*")):
            break
        start = line_start
    return start


def end_of(source, position):
    """The end of the item: its closing brace, or its semicolon where that comes first."""
    depth = 0
    for at in code_characters(source, position):
        character = source[at]
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0 and character == "}":
                return at + 1
        elif character == ";" and depth == 0:
            return at + 1
    return len(source)


LITERAL = re.compile(r'//[^\n]*|/\*.*?\*/|b?r#*".*?"#*|b?"(?:\\.|[^"\\])*"|b?\'(?:\\.|[^\'\\])\'', re.S)


def code_characters(source, position):
    """Offsets of what is neither comment nor literal."""
    while position < len(source):
        literal = LITERAL.match(source, position)
        if literal:
            position = literal.end()
            continue
        yield position
        position += 1


def cites(item, rfc, section):
    """Whether the item, or the head of its file, cites the section of the RFC."""
    text = item.text()
    number = rf"(?<![\d.]){re.escape(section)}(?![\d]|\.\d)"
    if not re.search(number, text):
        return False
    return f"RFC {rfc}" in text or f"RFC {rfc}" in item.path.read_text(encoding="utf-8")
