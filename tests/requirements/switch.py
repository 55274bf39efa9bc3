"""Builds many broken versions of the code at once: a function that is to be broken in several ways gets a body for each
of them, and a number in the environment chooses. So thousands of changes cost one build instead of one each.
"""

import collections
import json
import os
import pathlib
import re
import shutil
import subprocess

import mutants
import sources

VARIABLE = "BROKEN"
# Some changes are wrong for everybody to see.
ALLOWED = "#![allow(arithmetic_overflow, unconditional_panic, unconditional_recursion, unreachable_code, unused)]\n"
LIMIT = 60  # seconds for one run of a test: a broken core may never end
CHOICE = f"""
/// Which of its broken versions each function takes.
#[doc(hidden)]
pub fn broken() -> u32 {{
    static CHOSEN: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| std::env::var("{VARIABLE}").ok().and_then(|number| number.parse().ok()).unwrap_or(0))
}}
"""
# The packages, and which command builds the tests of a folder.
PACKAGES = [
    ("sctp-user/core/tests/", "sctp-core", "--tests"),
    ("sctp-user/core/", "sctp-core", "--lib"),
    ("sctp-user/tests/", "sctp-user", "--tests"),
    ("sctp-user/", "sctp-user", "--lib"),
    ("socketapi/", "socketapi", "--lib"),
    ("rserpool/tests/", "rserpool", "--tests"),
    ("rserpool/", "rserpool", "--lib"),
]


class Failed(Exception):
    """The build failed for a reason of its own."""


def package_of(file):
    """Folder, package and command of a file."""
    found = next((row for row in PACKAGES if file.startswith(row[0])), None)
    if not found:
        raise Failed(f"no command is known for {file}")
    return found


class Build:
    """A copy of the checkout in `folder`, and what is to be broken in it. Number 0 is the code as it is."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.what = {}  # number -> what is changed
        self.unfit = set()  # numbers that do not compile
        self.with_constant = True  # functions that are constant are broken, too: where that compiles
        self.texts = {}  # file -> what it holds, whatever happens to it meanwhile
        self.functions = {}  # reference -> (item, where its body begins, {body: number})
        self.binaries = collections.defaultdict(list)
        self.lists = {}
        # What an earlier run left; but not what it built.
        for entry in self.folder.iterdir() if self.folder.is_dir() else []:
            if entry.is_dir() and entry.name != "target":
                shutil.rmtree(entry)
        names = subprocess.run(["git", "ls-files", "-z"], cwd=sources.ROOT, check=True, capture_output=True).stdout
        for name in names.decode().split("\0"):
            if name and (sources.ROOT / name).is_file():
                put(self.folder / name, (sources.ROOT / name).read_bytes())

    def add(self, reference, section, most):
        """Breaks what `reference` names in up to `most` ways, those first that are near a citation of `section`; their
        numbers."""
        item = sources.find(reference)
        body = mutants.body_of(item)
        if body is None:
            return []
        self.texts.setdefault(item.path, item.path.read_text(encoding="utf-8"))
        _, _, known = self.functions.setdefault(reference, (item, body, {}))
        numbers = []
        for mutant in mutants.mutants(item, section):
            if mutant.body not in known:
                known[mutant.body] = len(self.what) + 1
                self.what[known[mutant.body]] = mutant.what
            if known[mutant.body] not in numbers:
                numbers.append(known[mutant.body])
            if len(numbers) == most:
                break
        return numbers

    def compile(self, tests):
        """Builds all that compiles, and what runs `tests`."""
        packages = sorted({package_of(reference)[1] for reference in self.functions})
        while not self.take_out(self.errors(packages, self.write())):
            pass
        for package, target in sorted({package_of(test)[1:] for test in tests}):
            errors = []
            for message in self.messages("test", "--no-run", "-p", package, target):
                if (message.get("message") or {}).get("level") == "error":
                    errors.append(message["message"]["rendered"])
                if message.get("executable") and message["profile"]["test"]:
                    self.binaries[package, target].append((message["executable"], message["target"]["src_path"]))
            if not self.binaries[package, target]:
                raise Failed(f"the tests of {package} do not build\n{''.join(errors)}")

    def take_out(self, errors):
        """Takes out what does not compile; whether there was nothing."""
        bad, others = errors
        if others and not bad and not self.with_constant:
            raise Failed(others[0])
        self.with_constant &= bool(bad) or not others
        self.unfit |= bad
        if not self.with_constant:
            constant = (known.values() for item, body, known in self.functions.values() if self.is_constant(item, body))
            self.unfit.update(*constant)
        return not bad and not others

    def is_constant(self, item, body):
        return re.search(r"\bconst (unsafe )?fn\b", self.texts[item.path][item.begin : body]) is not None

    def write(self):
        """Writes the files with all versions; in which lines each number stands."""
        spans, files = {}, collections.defaultdict(list)
        for item, body, known in self.functions.values():
            if self.with_constant or not self.is_constant(item, body):
                files[item.path].append((item.begin, body, item.end, known))
        for path, functions in files.items():
            source, text, at, lines = self.texts[path], "", 0, []
            for begin, body, end, known in sorted(functions, key=lambda function: function[0]):
                text += source[at:body] + "{ match crate::broken() {\n"
                for version, number in known.items():
                    if number not in self.unfit:
                        first = text.count("\n") + 1
                        text += f"{number} => {version}\n"
                        lines.append((first, text.count("\n"), number))
                text += f"_ => {source[body:end]}\n}} }}"
                at = end
            text += source[at:]
            # What chooses at run time is not constant, nor is what calls it. The lines stay as they are.
            if self.with_constant and any(re.search(r"\bconst (unsafe )?fn\b", source[begin:body]) for begin, body, *_ in functions):
                text = re.sub(r"\bconst (?=(unsafe )?fn\b)", "", text)
            name = str(path.relative_to(sources.ROOT))
            put(self.folder / name, text.encode())
            spans[name] = lines
        for folder in {package_of(reference)[0] for reference in self.functions}:
            library = sources.ROOT / f"{folder}src/lib.rs"
            whole = self.texts.setdefault(library, library.read_text(encoding="utf-8"))
            put(self.folder / library.relative_to(sources.ROOT), (ALLOWED + whole + CHOICE).encode())
        return spans

    def errors(self, packages, spans):
        """The numbers of what does not compile, and what the compiler says of the rest."""
        bad, others = set(), []
        chosen = [word for package in packages for word in ("-p", package)]
        for message in self.messages("check", "--lib", *chosen):
            message = message.get("message") or {}
            if message.get("level") != "error" or not message["spans"]:
                continue
            number = next(filter(None, (number_at(spans, span) for span in by_weight(message["spans"]))), None)
            bad.add(number) if number else others.append(message["rendered"])
        return bad, others

    def messages(self, command, *arguments):
        # Without optimization and debug information all of it builds in a minute or two.
        quick = {f"CARGO_PROFILE_{p}_{k}": "0" for p in ("DEV", "TEST") for k in ("OPT_LEVEL", "DEBUG")}
        environment = dict(os.environ, CARGO_TARGET_DIR=str(self.folder / "target"), **quick)
        words = ["cargo", command, "--quiet", "--message-format=json", "--config", 'profile.dev.package."*".opt-level=0', *arguments]
        done = subprocess.run(words, cwd=self.folder, env=environment, capture_output=True, text=True)
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    def passes(self, test, number=0):
        """Whether a test succeeds on that version of the code; None if there is no such test."""
        binary, name = self.find(test)
        if binary is None:
            return None
        environment = dict(os.environ, **{VARIABLE: str(number)})
        folder = self.folder / package_of(test)[0].removesuffix("tests/")
        try:
            done = subprocess.run([binary, name, "--exact"], cwd=folder, env=environment, capture_output=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def find(self, test):
        """The program that holds a test, and its name there."""
        file, name = test.split("::")
        stem = pathlib.Path(file).stem
        found = []
        for binary, source in self.binaries[package_of(file)[1:]]:
            if binary not in self.lists:
                listed = subprocess.run([binary, "--list"], check=True, capture_output=True, text=True).stdout
                self.lists[binary] = [line.removesuffix(": test") for line in listed.splitlines() if line.endswith(": test")]
            for full in self.lists[binary]:
                if full.split("::")[-1] == name:
                    # Several files may have tests of that name.
                    right = [*full.split("::"), pathlib.Path(source).stem]
                    found.append((stem not in right and stem != "mod", binary, full))
        return min(found)[1:] if found else (None, None)


def put(path, content):
    """Writes a file if it does not say that already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_bytes() != content:
        path.write_bytes(content)


def by_weight(spans):
    """What the compiler points at, the main place first; in a macro, what it was made from."""
    for span in sorted(spans, key=lambda span: not span["is_primary"]):
        while span:
            yield span
            span = (span.get("expansion") or {}).get("span")


def number_at(spans, span):
    lines = spans.get(span["file_name"], [])
    return next((number for first, last, number in lines if first <= span["line_start"] <= last), None)
