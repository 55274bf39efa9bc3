"""Small changes to a Rust item, each of which breaks what it does: the nearest to a citation first."""

import re

import sources

# What is replaced, and by what. Each match on a line makes one mutant.
SWAPS = [
    (r"\bif (?!let\b|false\b)(?P<rest>[^{;]+) \{", r"if !(\g<rest>) {"),
    (r"\bif (?!false\b)(?=[^{;]+\{)", "if false && "),
    (r" == ", " != "),
    (r" != ", " == "),
    (r" <= ", " > "),
    (r" >= ", " < "),
    (r" < ", " >= "),
    (r" > ", " <= "),
    (r" && ", " || "),
    (r" \|\| ", " && "),
    (r" \+= ", " -= "),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r"\.max\(", ".min("),
    (r"\.min\(", ".max("),
    (r"\btrue\b", "false"),
    (r"\bfalse\b", "true"),
    (r"\bSome\(", "None.or(("),
    (r"\bis_some_and\(", "is_none_or("),
    (r"\bis_none_or\(", "is_some_and("),
    (r"\bis_some\(\)", "is_none()"),
    (r"\bis_none\(\)", "is_some()"),
    (r"\bis_empty\(\)", "is_empty() == false"),
    (r"Flow::Stop\b", "Flow::Continue"),
    (r"Flow::Continue\b", "Flow::Stop"),
    (r"(?<![\w.])(\d+)(?![\w.])", lambda match: str(int(match[1]) + 1)),
]
# A whole statement on a line of its own that may be left out.
STATEMENT = re.compile(r"^\s*(?!let |return |use |const |static |break|continue|\}|#)[^{}]*;\s*$")
# What a function can do instead of its work, by what it returns.
SHORTCUTS = [
    (r"-> bool \{", "return false;"),
    (r"-> bool \{", "return true;"),
    (r"-> Option<", "return None;"),
    (r"-> Flow \{", "return Flow::Continue;"),
    (r"-> (?:usize|u8|u16|u32|u64) \{", "return 0;"),
    (r"-> (?:Vec|SmallVec|Result<\(\))", None),
]


def mutants(item, section):
    """The file's text with one change each, and a line that says which; at most as many as there are places."""
    source = item.path.read_text(encoding="utf-8")
    body = [at for at in sources.code_characters(source, item.begin) if at < item.end]
    code = set(body)
    near = cited_at(source, item, section)
    found = list(line_changes(source, item, code)) + list(shortcuts(source, item))
    # What stands behind the citation belongs to it most; whole functions left out come last.
    found.sort(key=lambda change: (change[3], change[0] < near, abs(change[0] - near)))
    for start, end, new, _ in found:
        line = source.count("\n", 0, start) + 1
        old = source[start:end].strip()
        yield source[:start] + new + source[end:], f"line {line}: {old!r} -> {new.strip()!r}"


def cited_at(source, item, section):
    """Where the item cites the section; its beginning if it does so in its comments."""
    at = re.compile(rf"(?<![\d.]){re.escape(section)}(?![\d]|\.\d)").search(source, item.begin, item.end)
    return at.end() if at else item.begin


def line_changes(source, item, code):
    start = item.begin
    while start < item.end:
        end = min(source.find("\n", start) % (len(source) + 1), item.end)
        line = source[start:end]
        if STATEMENT.match(line) and start > item.begin:
            yield start, end, "", 0
        for pattern, replacement in SWAPS:
            for match in re.finditer(pattern, line):
                if start + match.start() in code:
                    yield start + match.start(), start + match.end(), match.expand(replacement) if isinstance(replacement, str) else replacement(match), 0
        start = end + 1


def shortcuts(source, item):
    """The function returns at once."""
    text = source[item.begin : item.end]
    head = re.match(r"[ \t]*[^{]*?\bfn\b.*?\{", text, re.S)
    if not head:
        return
    body = item.begin + head.end()
    if "->" not in head[0]:
        yield body, body, " return; ", 1
    for pattern, instead in SHORTCUTS:
        if instead and re.search(pattern, head[0]):
            yield body, body, f" {instead} ", 1
