"""Small changes to a Rust function, each of which breaks what it does: the nearest to a citation first."""

import dataclasses
import re

import sources

# A condition, up to what depends on it.
CONDITION = r"if (?!let\b|false\b)(?P<rest>(?:(?! => )[^{;])+)"
# What is replaced, and by what. Each match on a line makes one mutant.
SWAPS = [
    (rf"\b{CONDITION} \{{", r"if !(\g<rest>) {"),
    (r"\bif (?!false\b)(?=(?:(?! => )[^{;])+\{)", "if false && "),
    (rf"(?<=\S) {CONDITION} => ", r" if !(\g<rest>) => "),
    (r"(?<=\S) if (?!let\b)(?=[^{;]+? => )", " if false && "),
    (r" => (?![{ ])[^;]+,$", " => Default::default(),"),
    (r" == ", " != "),
    (r" != ", " == "),
    (r" <= ", " > "),
    (r" >= ", " < "),
    (r" < ", " >= "),
    (r" > ", " <= "),
    (r" && ", " || "),
    (r" \|\| ", " && "),
    (r"(?<=[ (|])!(?=[\w(])", ""),
    (r" \+= ", " -= "),
    (r" \+ ", " - "),
    (r" - ", " + "),
    (r" \* ", " / "),
    (r" / ", " * "),
    (r"\.max\(", ".min("),
    (r"\.min\(", ".max("),
    (r"\btrue\b", "false"),
    (r"\bfalse\b", "true"),
    (r"(?<!let )\bSome\((?!.* => )", "(|_| None)("),
    (r"\bis_some_and\(", "is_none_or("),
    (r"\bis_none_or\(", "is_some_and("),
    (r"\bis_some\(\)", "is_none()"),
    (r"\bis_none\(\)", "is_some()"),
    (r"\bis_empty\(\)", "is_empty() == false"),
    (r"Flow::Stop\b", "Flow::Continue"),
    (r"Flow::Continue\b", "Flow::Stop"),
    (r"(?<![\w.])(\d+)(?!\w|\.\d)", lambda match: str(int(match[1]) + 1)),
    # A field of what is made, and a local variable.
    (r"(?:(?<=[{,(] )|(?<=    ))(?P<field>[a-z]\w*): (?!Default::)[^,{}|]+?(?=,$|, | \})", r"\g<field>: Default::default()"),
    (r"\blet (?P<name>\w+) = (?!Default::)[^;|]+;", r"let \g<name> = Default::default();"),
]
# A whole statement on a line of its own that may be left out.
STATEMENT = re.compile(r"^\s*(?!let |return |use |const |static |break|continue|\}|#)[^{}]*(?:\{[^{}]*\}[^{}]*)*;\s*$")
# A step of a chain of calls that may be left out.
STEP = re.compile(
    r"\s*\.(?:or_else|or|filter|take_while|take|skip_while|skip|chain|rev|max|min|prev|next|plus|to_canonical"
    r"|(?:saturating|wrapping)_(?:add|sub|mul)|next_multiple_of)\("
)
# An arm of a match on a line of its own: another one takes its place.
ARM = re.compile(r"^\s*[^/\s].* => (?!\{)[^;]*,\s*$")
# What a function can do instead of its work, by what it returns.
SHORTCUTS = [
    (r"-> bool$", ["return false;", "return true;"]),
    (r"-> Option<", ["return None;"]),
    (r"-> Flow$", ["return Flow::Continue;"]),
    (r"-> Result<", ["return Ok(Default::default());"]),
    (r"-> (?!bool$|Option<|Flow$|Result<|impl )", ["return Default::default();"]),
    (r"^(?!.*->)", ["return;"]),
]
HEAD = re.compile(r"[ \t]*[^{]*?\bfn\b.*?\{", re.S)


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A function's body with one change."""

    body: str
    what: str


def body_of(item):
    """Where the body of a function begins, at its brace; None if the item is no function."""
    head = HEAD.match(item.path.read_text(encoding="utf-8")[item.begin : item.end])
    return item.begin + head.end() - 1 if head else None


def mutants(item, section):
    """All of them, in the order in which to try them."""
    source, body = item.path.read_text(encoding="utf-8"), body_of(item)
    if body is None:
        return
    code = {at for at in sources.code_characters(source, item.begin) if at < item.end}
    near = cited_at(source, item, section)
    found = [*line_changes(source, body, item.end, code), *steps(source, body, item.end, code)]
    found += shortcuts(source, item.begin, body)
    # What stands behind the citation belongs to it most; whole functions left out come last.
    found.sort(key=lambda change: (change[3], change[0] < near, abs(change[0] - near)))
    for start, end, new, _ in found:
        line = source.count("\n", 0, start) + 1
        what = f"line {line}: {source[start:end].strip()!r} -> {new.strip()!r}"
        yield Mutant(source[body:start] + new + source[end : item.end], what)


def cited_at(source, item, section):
    """Where the item cites the section; its beginning if it does so in its comments."""
    at = re.compile(rf"(?<![\d.]){re.escape(section)}(?![\d]|\.\d)").search(source, item.begin, item.end)
    return at.end() if at else item.begin


def line_changes(source, body, stop, code):
    start = body + 1
    while start < stop:
        end = min(source.find("\n", start) % (len(source) + 1), stop)
        line = source[start:end]
        # Not the end of a longer one.
        before = next(source[at] for at in range(start - 1, body - 1, -1) if at in code and not source[at].isspace())
        if STATEMENT.match(line) and is_balanced(line) and before in ";{}":
            yield start, end, "", 0
        if ARM.match(line) and is_balanced(line):
            yield start, end, "", 0
        for pattern, replacement in SWAPS:
            for match in re.finditer(pattern, line):
                new = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
                if start + match.start() in code and open_brackets(new) == open_brackets(match[0]):
                    yield start + match.start(), start + match.end(), new, 0
        start = end + 1


def steps(source, body, stop, code):
    """Steps of chains of calls left out."""
    for match in STEP.finditer(source, body, stop):
        depth, at = 1, match.end()
        while depth and at < stop:
            depth += (source[at] in "([{") - (source[at] in ")]}") if at in code else 0
            at += 1
        if not depth and match.end() - 1 in code:
            yield match.start(), at, "", 0


def open_brackets(text):
    return [text.count(opening) - text.count(closing) for opening, closing in ("()", "[]", "{}")]


def is_balanced(text):
    return not any(open_brackets(text))


def shortcuts(source, begin, body):
    """The function returns at once."""
    head = " ".join(source[begin:body].split())
    for pattern, instead in SHORTCUTS:
        if re.search(pattern, head):
            yield from ((body + 1, body + 1, f" {new} ", 1) for new in instead)
