"""What an RFC demands: its clauses with MUST or SHOULD, each named by section and paragraph.

A clause is a sentence. `6.2.1/4b` is the second such sentence of the fourth paragraph of section 6.2.1; a paragraph
with one of them only has no letter. An RFC's text never changes, so neither do the names.
"""

import dataclasses
import pathlib
import re
import string

# RFC 3758 leaves out the last dot of one of them.
HEADING = re.compile(r"^(?:Appendix )?(\d+(?:\.\d+)*(?=\.)|\d+\.\d+(?= [A-Z])|[A-Z](?:\.\d+)*(?=\.))\.?  ?\S")
PAGE_BREAK = re.compile(r"^\f|^(RFC \d+ .*\d{4}|.*\[Page \d+\]|Internet-Draft .*\d{4})\s*$")
DEMAND = re.compile(r"\b(MUST|SHALL|REQUIRED|SHOULD|RECOMMENDED)\b")
STRICT = re.compile(r"\b(MUST|SHALL|REQUIRED)\b")
SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+(?=[A-Z*(\"]|o  |\d+[.)] |[A-Z]\d*\) )")
# Where the words MUST and SHOULD are explained, not used.
EXPLAINED = re.compile(r"are to be interpreted as described")


@dataclasses.dataclass(frozen=True)
class Clause:
    """One demand."""

    name: str
    section: str
    strict: bool
    text: str


def paragraphs(lines):
    """The paragraphs between blank lines; one that a page break has cut is joined again."""
    whole, current, broken = [], [], False
    for line in [*lines, ""]:
        if PAGE_BREAK.match(line):
            broken = True
        elif line.strip():
            continues = broken and whole and not current and not whole[-1].rstrip().endswith((".", ":", ";", ")"))
            if continues:
                current = [whole.pop()]
            current.append(line.strip())
            broken = False
        elif current:
            whole.append(" ".join(current))
            current = []
    return whole


def sections(text):
    """Number and lines of each section. The table of contents is indented, and so are its entries no headings."""
    found, current = {}, None
    for line in text.lstrip("\ufeff").splitlines():
        heading = HEADING.match(line)
        if heading and not line.rstrip().endswith(":"):
            current = heading[1]
            found[current] = []
        elif current:
            found[current].append(line)
    return found


def clauses(rfc: pathlib.Path):
    """All clauses of an RFC's text, in order."""
    result = []
    for section, lines in sections(rfc.read_text(encoding="utf-8")).items():
        for number, paragraph in enumerate(paragraphs(lines), 1):
            if EXPLAINED.search(paragraph):
                continue
            demands = [s for s in SENTENCE_END.split(paragraph) if DEMAND.search(s)]
            letters = string.ascii_lowercase if len(demands) > 1 else [""]
            for letter, sentence in zip(letters, demands):
                name = f"{section}/{number}{letter}"
                result.append(Clause(name, section, bool(STRICT.search(sentence)), sentence))
    return result
