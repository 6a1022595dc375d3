#!/usr/bin/env python3
"""Recomputes every allocation of a study from the package that `hagaki allocation reveal` writes.

This file shares no code with the program that allocated. It is written from the description in the README beside it,
needs nothing but Python 3.11 and its standard library, and is meant to be read. All numbers are integers or fractions.

    python3 hagaki_verify.py PACKAGE [--json]

It ends with a list of what was checked, and of what was not: without the audit chain in the package that is more.

Take it from the source of a release, not from the package: whoever could change the one could change the other.

Exit code 0: everything that was checked agrees. 1: something differs, and the first difference is named; or no allocation
was there to be recomputed. 2: the package cannot be read, or the command line is wrong.

How it is laid out: reading, draws (ChaCha20, integers), numbers, the scheme, the counts, the law of each method, then the
checks of the secret, of the audit chain and of the journal.
"""

import csv
import hashlib
import io
import json
import os
import re
import struct
import sys
import tomllib
from collections import Counter, defaultdict
from contextlib import contextmanager
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cache, lru_cache
from math import isqrt, lcm
from pathlib import Path


class Differs(Exception):
    """The first difference: allocation number (or None), what differs, what follows, what the package says."""

    def __init__(self, number, what, expected, found):
        super().__init__(what)
        self.report = {"number": number, "what": what, "expected": expected, "found": found}


class Impossible(Exception):
    """By the scheme there can be no such allocation."""


class Unreadable(Exception):
    """The package is not one, or this version of the verifier does not know something in it; and where, as far as known."""

    def __init__(self, what):
        super().__init__(what)
        self.file = self.line = self.number = None

    def __str__(self):
        place = self.file or "the package"
        if self.line is not None:
            place += f", line {self.line}"
        if self.number is not None:
            place += f", allocation {self.number}"
        return f"{place}: {self.args[0]}"


# ---- reading --------------------------------------------------------------------------------------------------------


@contextmanager
def reading(file, line=None, number=None):
    """Whatever goes wrong in there is told with the place; what is inside knows better where it is."""
    try:
        yield
    except (Differs, Impossible):
        raise
    except Exception as fault:
        told = fault if isinstance(fault, Unreadable) else Unreadable(in_a_sentence(fault))
        if told.file in (None, file):
            told.file = file
            told.line = line if told.line is None else told.line
        told.number = number if told.number is None else told.number
        raise told from None


def in_a_sentence(fault):
    match fault:
        case OSError():
            return fault.strerror or str(fault)
        case UnicodeError():
            return "the text is not UTF-8"
        case json.JSONDecodeError():
            return f"not JSON: {fault.msg} at character {fault.pos + 1}"
        case KeyError():
            return f"{fault.args[0]!r} is absent"
        case RecursionError():
            return "nested too deeply"
    return f"this makes no sense to the verifier: {type(fault).__name__}: {' '.join(str(fault).split())}"


INTEGER, TEXT, OBJECT, LIST, NOTHING = int, str, dict, list, type(None)
NAMES = {int: "an integer", str: "a text", dict: "an object", list: "a list", NOTHING: "null"}


def typed(value, what, *kinds):
    """The value, if it is of one of those kinds; true and false are no integers, and integers have 64 bits."""
    if type(value) not in kinds or type(value) is int and not -(1 << 63) <= value < 1 << 63:
        raise Unreadable(f"{what} must be {' or '.join(NAMES[kind] for kind in kinds)}")
    return value


def typed_keys(table, what, **kinds):
    """An object with at least those keys."""
    typed(table, what, OBJECT)
    for key, kind in kinds.items():
        if key not in table:
            raise Unreadable(f"{what} has no key {key!r}")
        typed(table[key], f"{what}: {key!r}", *(kind if isinstance(kind, tuple) else (kind,)))
    return table


def known_keys(table, what, keys):
    """An object without any other keys: what is not understood is not passed over."""
    for key in table:
        if key not in keys:
            raise Unreadable(f"{what} has a key {key!r}, which is not known to this verifier")


def same(one, other):
    """Whether two values are the same JSON; true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def instant(microseconds):
    """The second in which a number of microseconds since 1970 lies, as the package writes it."""
    try:
        return (datetime(1970, 1, 1) + timedelta(microseconds=microseconds)).isoformat(timespec="seconds") + "Z"
    except OverflowError:
        raise Unreadable(f"{microseconds} microseconds is no time") from None


def typed_levels(levels, what):
    for name, level in typed(levels, what, OBJECT).items():
        typed(level, f"{what}: {name!r}", TEXT)
    return levels


def parse(text):
    """JSON as the program writes it: integers only, and no key twice."""

    def refuse(word):
        raise Unreadable(f"{word} is no integer")

    def once(pairs):
        table = dict(pairs)
        if len(table) != len(pairs):
            twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
            raise Unreadable(f"the key {twice!r} stands twice")
        return table

    return json.loads(text, parse_constant=refuse, parse_float=refuse, object_pairs_hook=once)


def text_in(path):
    """The text of a file, byte for byte: the ends of its lines are left as they are."""
    return path.read_bytes().decode("utf-8")


def read_text(folder, name):
    with reading(name):
        return text_in(folder / name)


def read_toml(text):
    """TOML, in which a number with a point stays the text it was written as."""
    return tomllib.loads(in_older_toml(text), parse_float=str)


def in_older_toml(text):
    """TOML 1.1 in the words of TOML 1.0, which is what Python reads: inline tables on one line and without a comma at their end, no
    `\\e` and `\\x41` in strings. Nothing else is touched."""
    kept, within, at = [], [], 0
    while at < len(text):
        quote = next((mark for mark in ('"""', "'''", '"', "'") if text.startswith(mark, at)), None)
        if quote:
            end = at + len(quote)
            while end < len(text) and not text.startswith(quote, end):
                end += 2 if quote[0] == '"' and text[end] == "\\" else 1
            end += len(quote)
            while len(quote) == 3 and text.startswith(quote[0], end):
                end += 1  # up to two of the quotes belong to the text
            string = text[at:end]
            kept.append(without_new_escapes(string) if quote[0] == '"' else string)
        elif text[at] == "#":
            end = text.find("\n", at) if "\n" in text[at:] else len(text)
            kept.append("" if "{" in within else text[at:end])
        else:
            end, sign = at + 1, text[at]
            if sign in "{[":
                within.append(sign)
            elif sign == "]" and within:
                within.pop()
            elif sign == "}" and within:
                within.pop()
                while kept and not kept[-1].strip():
                    kept.pop()
                if kept and kept[-1] == ",":
                    kept.pop()
            kept.append(" " if sign in "\r\n" and "{" in within else sign)
        at = end
    return "".join(kept)


def without_new_escapes(string):
    def older(found):
        digits = "1b" if found[0] == "\\e" else found[1]
        return found[0] if digits is None else f"\\u00{digits}"

    return re.sub(r"\\(?:x([0-9A-Fa-f]{2})|.)", older, string, flags=re.DOTALL)


def read_lines(folder, name):
    """Number of the line and what it holds."""
    for line, text in enumerate(read_text(folder, name).split("\n"), 1):
        if text:
            with reading(name, line):
                row = typed(parse(text), "the line", OBJECT)
            yield line, row


OF_PACKAGE = ("format", "program", "study", "study_id", "stage", "secret", "secret_digest", "allocations", "chain", "bundles")
OF_BUNDLE = ("version", "digest", "at", "allocation", "further", "files")


def read_package(folder):
    with reading("package.json"):
        package = typed_keys(parse(read_text(folder, "package.json")), "the file", format=TEXT)
        if package["format"] != "hagaki allocation package 1":
            raise Unreadable("this is not of the format this verifier reads")
        typed_keys(package, "the file", study=TEXT, study_id=INTEGER, stage=TEXT, secret=TEXT, secret_digest=TEXT)
        typed_keys(package, "the file", program=TEXT, allocations=INTEGER, chain=OBJECT, bundles=LIST)
        typed_keys(package["chain"], "'chain'", length=INTEGER, head=TEXT)
        known_keys(package, "the file", OF_PACKAGE)
        known_keys(package["chain"], "'chain'", ("length", "head"))
        for at, row in enumerate(package["bundles"], 1):
            typed_keys(row, f"'bundles', number {at}", version=INTEGER, digest=TEXT, at=TEXT, allocation=(TEXT, NOTHING))
            known_keys(row, f"'bundles', number {at}", OF_BUNDLE)
            typed(row.get("files"), f"'bundles', number {at}: 'files'", TEXT, NOTHING)
            typed_levels(row.get("further", {}), f"'bundles', number {at}: 'further'")
        versions = [row["version"] for row in package["bundles"]]
        if not versions or len(set(versions)) != len(versions):
            raise Unreadable("'bundles' must hold each version once")
        if min(versions) < 1:
            raise Unreadable("versions are counted from 1")
    return package


# ---- draws ----------------------------------------------------------------------------------------------------------


def chacha20_block(key, counter, number):
    """64 bytes of key stream: RFC 8439 section 2.3 with a 64-bit counter and the allocation number as 64-bit nonce."""
    start = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key))
    start += [counter & 0xFFFFFFFF, counter >> 32, number & 0xFFFFFFFF, number >> 32]
    words = start.copy()

    def quarter(a, b, c, d):
        for one, two, three, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            words[one] = (words[one] + words[two]) & 0xFFFFFFFF
            mixed = words[three] ^ words[one]
            words[three] = (mixed << turn | mixed >> (32 - turn)) & 0xFFFFFFFF

    for _ in range(10):
        for column in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
            quarter(*column)
        for diagonal in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(*diagonal)
    return struct.pack("<16I", *((word + first) & 0xFFFFFFFF for word, first in zip(words, start)))


class Draw:
    """The random integers of one allocation, in order."""

    def __init__(self, secret, number):
        self.secret, self.number, self.counter, self.unused = secret, number, 0, b""
        self.drawn = []

    def below(self, bound):
        """An integer from 0 to bound - 1: whole 64-bit words, little-endian, those in the uneven rest thrown away."""
        size = 8 * -(-(bound - 1).bit_length() // 64)
        span = 1 << 8 * size
        while True:
            while len(self.unused) < size:
                self.unused += chacha20_block(self.secret, self.counter, self.number)
                self.counter += 1
            value, self.unused = int.from_bytes(self.unused[:size], "little"), self.unused[size:]
            if value < bound * (span // bound):
                break
        self.drawn.append({"below": str(bound), "value": str(value % bound)})
        return value % bound

    def pick(self, weights):
        """The place of a weight, chosen with probability proportional to it; places own consecutive integers."""
        total = sum(weights)
        shares = [Fraction(weight) / total for weight in weights]
        bound = lcm(*(share.denominator for share in shares))
        left = self.below(bound)
        for place, share in enumerate(shares):
            left -= share * bound
            if left < 0:
                return place
        raise AssertionError("shares sum to 1")


# ---- numbers --------------------------------------------------------------------------------------------------------


@lru_cache(typed=True)
def exact(value):
    """A number of the file, exactly: 2, 0.8, "0.8", "4/5"."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Unreadable(f"{value!r} is no number")
    above, _, below = str(value).replace("_", "").partition("/")
    try:
        return Fraction(above.strip()) / (Fraction(below.strip()) if below else 1)
    except (ValueError, ZeroDivisionError):
        raise Unreadable(f"{value!r} is no number") from None


def is_square(number):
    return isqrt(number) ** 2 == number


def decimal(value, places=10):
    """The nearest decimal, halves away from zero; for values that are not negative."""
    units = (2 * value.numerator * 10**places + value.denominator) // (2 * value.denominator)
    return f"{units // 10**places}.{units % 10**places:0{places}}"


class Roots:
    """A sum of square roots with factors, compared exactly.

    Roots of integers no two of which have a square product are linearly independent over the rationals. So two sums are
    equal exactly if their factors agree class by class; if they are not, closer and closer bounds end with the order.
    """

    def __init__(self, terms):
        # Terms are (factor, radicand), both fractions; factor √(p/q) = factor/q √(pq).
        self.classes = []
        for factor, radicand in terms:
            root = radicand.numerator * radicand.denominator
            self.add(factor / radicand.denominator, root)

    def add(self, factor, root):
        if factor == 0 or root == 0:
            return
        for entry in self.classes:
            if is_square(entry[1] * root):
                # √root = √(root · own) / own · √own
                entry[0] += factor * isqrt(entry[1] * root) / entry[1]
                return
        self.classes.append([Fraction(factor), root])

    def minus(self, other):
        result = Roots([])
        for factor, root in self.classes:
            result.add(factor, root)
        for factor, root in other.classes:
            result.add(-factor, root)
        result.classes = [entry for entry in result.classes if entry[0] != 0]
        return result

    def bounds(self, bits):
        """Lower and upper bound, no further apart than terms × 2^-bits."""
        low = high = Fraction(0)
        for factor, root in self.classes:
            # |factor| √root = √(factor² root)
            square = factor * factor * root
            floor = isqrt((square.numerator << 2 * bits) // square.denominator)
            ends = (Fraction(floor, 1 << bits), Fraction(floor + 1, 1 << bits))
            low += ends[0] if factor > 0 else -ends[1]
            high += ends[1] if factor > 0 else -ends[0]
        return low, high

    def sign(self):
        if not self.classes:
            return 0
        bits = 64
        while True:
            low, high = self.bounds(bits)
            if low > 0:
                return 1
            if high < 0:
                return -1
            bits *= 2

    def rational(self):
        """The sum as a fraction, if it is one; None if not."""
        if any(not is_square(root) for _, root in self.classes):
            return None
        return sum((factor * isqrt(root) for factor, root in self.classes), Fraction(0))

    def __eq__(self, other):
        return self.minus(other).sign() == 0

    def __lt__(self, other):
        return self.minus(other).sign() < 0


# ---- the scheme -----------------------------------------------------------------------------------------------------

COUNTING = ("minimization", "hu-hu", "atkinson")
OF_TWO_ARMS = ("biased-coin", "big-stick", "chen", "maximal", "hu-hu")
METHODS = ("none", "simple", "block", "block-urn", "wei-urn", "list", "minimization", "atkinson", *OF_TWO_ARMS)


class Scheme:
    """An allocation.toml, with everything in an order of its own: arms and factors sorted, so that the file's cannot matter."""

    def __init__(self, text_of, name):
        file = read_toml(text_of(name))
        self.name, self.method = name, typed_keys(file, "the file", method=TEXT)["method"]
        if self.method not in METHODS:
            raise Unreadable(f"the method {self.method!r} is not known to this verifier")
        self.epoch = typed(file.get("epoch", 1), "'epoch'", INTEGER)
        for at, arm in enumerate(file.get("arms", []), 1):
            typed_keys(arm, f"arm {at}", code=TEXT)
            if typed(arm.get("ratio", 1), f"arm {at}: 'ratio'", INTEGER) < 1:
                raise Unreadable(f"arm {at}: 'ratio' must be at least 1")
            if type(arm.get("closed", False)) is not bool:
                raise Unreadable(f"arm {at}: 'closed' must be true or false")
        self.shown = [arm["code"] for arm in file.get("arms", [])]
        self.ratio = {arm["code"]: arm.get("ratio", 1) for arm in file.get("arms", [])}
        self.arms = sorted(self.ratio)
        # Nobody gets a closed arm any more: decisions are made among the open ones, as if there were no others.
        self.open = sorted(arm["code"] for arm in file.get("arms", []) if not arm.get("closed", False))
        # Of two arms one may have been closed.
        alone = len(self.open) == 1 < len(self.arms)
        two = self.method not in OF_TWO_ARMS or len(self.open) == 2 or alone
        # A registry allocates no arm.
        none = self.method == "none" and not self.arms
        if not self.open and not none or len(self.arms) != len(self.shown) or not two:
            raise Unreadable(f"these cannot be the arms of the method {self.method!r}")
        self.ratios = [self.ratio[code] for code in self.open]
        self.own = typed(file.get(self.method, {}), f"[{self.method}]", OBJECT)
        for key in ("limit", "lambda", "subjects", "burn_in"):
            typed(self.own.get(key, 0), f"[{self.method}]: {key!r}", INTEGER)
        self.rule = self.own.get("rule", "")
        # What a draw chooses among: the arms, or under ratio-arms as many equal dummies of each as its ratio says.
        self.slots = self.rule == "ratio-arms"
        self.cells = [cell for code in self.open for cell in self.cells_of(code)]
        factors = sorted(file.get("factors", []), key=lambda factor: factor["id"])
        self.levels = {factor["id"]: factor.get("levels") for factor in factors}
        self.factors = [factor["id"] for factor in factors] if self.method in COUNTING else []
        self.weights = {factor["id"]: exact(factor.get("weight", 1)) for factor in factors}
        strata = file.get("strata", [])
        if self.method in ("none", "simple", "minimization", "atkinson") and "stratum" not in file.get("caps", {}):
            strata = []
        if self.method == "hu-hu" and not strata:
            strata = self.factors
        self.strata = sorted(set(strata))
        # How many allocations may be given by hand.
        self.forced = typed(typed(file.get("forced", {}), "[forced]", OBJECT).get("limit", 0), "[forced]: 'limit'", INTEGER)
        self.corrected = file.get("corrections", "original") == "corrected"
        self.exclude = file.get("exclude", ["duplicate"])
        self.needs = sorted({name for name in (*self.factors, *strata) if name != "total"})
        if self.method == "block":
            sizes = self.own["sizes"]
            weights = self.own.get("weights", [1] * len(sizes))
            self.sizes = sorted((int(size), exact(weight)) for size, weight in zip(sizes, weights))
        if self.method == "list":
            file = str(Path(name).parent / self.own["file"])
            with reading(file):
                self.list = self.read_list(text_of(file))

    def cells_of(self, code):
        """(arm, number of the dummy, share) of each cell of an arm."""
        if self.slots:
            return [(code, slot, 1) for slot in range(self.ratio[code])]
        return [(code, None, self.ratio[code])]

    def read_list(self, text):
        """Levels of the strata → arms in order; this program's columns, or those of a REDCap allocation table."""
        rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
        lines = [[cell.strip() for cell in line] for line in rows if line]
        header = lines[0] if lines else []

        def column(*names):
            for name in names:
                if name in header:
                    return header.index(name)
            raise Unreadable(f"there is no column {names[0]!r}")

        renamed = self.own.get("columns", {})
        arm = column("arm", "redcap_randomization_group")
        places = []
        for name in self.strata:
            names = [renamed.get(name, name)] + (["redcap_data_access_group"] if name == "site" else [])
            places.append(column(*names))
        sequences = {}
        for at, line in enumerate(lines[1:], 2):
            if len(line) != len(header):
                raise Unreadable(f"row {at} has {len(line)} cells, the first has {len(header)}")
            sequences.setdefault(tuple(line[place] for place in places), []).append(line[arm])
        return sequences


# ---- the counts -----------------------------------------------------------------------------------------------------


class State:
    """Everything the next decision depends on: who got what so far, by the arms' codes.

    `go_on_by` says what an amendment of the rules leaves of it.
    """

    def __init__(self, scheme):
        self.scheme = scheme
        self.begun = False  # whether there was any allocation, of whatever epoch
        self.begin_epoch()

    def begin_epoch(self):
        """From here on nothing that came before counts."""
        self.total = 0
        self.arms = Counter()  # arm → subjects
        self.tables = defaultdict(Counter)  # (factor, level) → (arm, dummy) → subjects
        self.strata = defaultdict(Counter)  # levels of the strata → arm → subjects
        self.blocks = {}  # levels of the strata → (size, arm → subjects), while the block is not full
        # Under atkinson, with a column for everybody (None) and one for each level of a factor seen:
        self.columns = {None: 0}
        self.both = Counter()  # two columns → subjects with both
        self.of_arm = Counter()  # (arm, column) → subjects

    def go_on_by(self, scheme):
        """What is counted so far goes on under other rules, as far as it has a meaning there. Impossible if they cannot follow."""
        before, self.scheme = self.scheme, scheme
        if not self.begun:
            return
        gone = [code for code in before.arms if code not in scheme.ratio]
        if gone:
            raise Impossible(f"the arm {gone[0]!r} is gone; it may be closed, but its subjects stay")
        if scheme.epoch < before.epoch:
            raise Impossible("the epoch is lower than it was")
        if scheme.epoch > before.epoch:
            self.begin_epoch()
            return
        changed = what_needs_an_epoch(before, scheme)
        if changed:
            raise Impossible(f"{changed} changed without a higher epoch")
        same_arms = (before.ratio, before.open) == (scheme.ratio, scheme.open)
        if scheme.method == "block" and not (same_arms and before.sizes == scheme.sizes):
            self.blocks.clear()  # open blocks end as they are
        if scheme.method == "block-urn":
            only_closes = all(code in before.open and before.ratio[code] == scheme.ratio[code] for code in scheme.open)
            if before.own["lambda"] != scheme.own["lambda"] or not only_closes:
                self.strata.clear()  # each stratum begins a new urn

    def require(self, levels):
        for name in self.scheme.needs:
            if name not in levels:
                raise Impossible(f"no level is given for {name}")

    def stratum_of(self, levels):
        return tuple(levels[name] for name in self.scheme.strata)

    def level_of(self, factor, levels):
        return "" if factor == "total" else levels[factor]

    def stratum(self, levels):
        """Subjects of each open arm in the subject's stratum."""
        counts = self.strata.get(self.stratum_of(levels), {})
        return [counts.get(code, 0) for code in self.scheme.open]

    def table(self, factor, levels):
        """Subjects of each open cell who have the subject's level of the factor."""
        counts = self.tables.get((factor, self.level_of(factor, levels)), {})
        return [counts.get((code, slot), 0) for code, slot, _ in self.scheme.cells]

    def place_in_open_block(self, levels, arm):
        """Size of the block in which an arm given by hand takes a place; None if no open block has one for it."""
        size, given = self.blocks.get(self.stratum_of(levels), (0, Counter()))
        return size if given[arm] < self.scheme.ratio[arm] * size // sum(self.scheme.ratios) else None

    def outside(self, levels, arm):
        """Whether the urn or the list has no ball or next place for an arm given by hand."""
        counts = self.stratum(levels)
        if self.scheme.method == "block-urn":
            return urn(self.scheme, counts)[self.scheme.open.index(arm)] < 1
        if self.scheme.method == "list":
            return self.scheme.list.get(self.stratum_of(levels), [])[sum(counts) :][:1] != [arm]
        return False

    def record(self, levels, arm, slot, block_size, origin="drawn"):
        """Counts an allocation. Impossible if it cannot be one.

        Given by hand, it takes a place of its arm in the open block, a ball, or the next place of the list, where there is one;
        else no block, urn or list counts it. What was imported without a block was given by hand there.
        """
        scheme = self.scheme
        self.require(levels)
        if arm not in scheme.ratio or (arm, slot) not in [cell[:2] for cell in scheme.cells_of(arm)]:
            raise Impossible("the scheme has no such arm or slot")
        key = self.stratum_of(levels)
        if scheme.method == "block" and not (origin != "drawn" and block_size is None):
            size, given = self.blocks.setdefault(key, (block_size, Counter()))
            if size != block_size or block_size not in [size for size, _ in scheme.sizes]:
                raise Impossible("the block has another size")
            if arm not in scheme.open or given[arm] >= scheme.ratio[arm] * size // sum(scheme.ratios):
                raise Impossible("the block has no place left for the arm")
            given[arm] += 1
            if given.total() == size:
                del self.blocks[key]
        if not (origin == "forced" and self.outside(levels, arm)):
            self.strata[key][arm] += 1
        for factor in scheme.factors:
            self.tables[factor, self.level_of(factor, levels)][arm, slot] += 1
        if scheme.method == "atkinson":
            row = [self.columns.setdefault(name, len(self.columns)) for name in self.row_of(levels)]
            for one in row:
                self.of_arm[arm, one] += 1
                for other in row:
                    self.both[one, other] += 1
        self.begun = True
        self.total += 1
        self.arms[arm] += 1

    def row_of(self, levels):
        """The names of a subject's columns under atkinson."""
        return [None] + [(factor, levels[factor]) for factor in self.scheme.factors]

    def recount(self, before, after, arm, slot):
        """Counts an allocation at other levels, or nowhere (None): what minimization compares, and nothing else."""
        if self.scheme.method == "minimization":
            for levels, step in ((before, -1), (after, 1)):
                for factor in self.scheme.factors if levels is not None else []:
                    self.tables[factor, self.level_of(factor, levels)][arm, slot] += step

    def margins(self, levels):
        """The counts a decision rests on, as the journal shows them."""
        scheme = self.scheme
        arms = lambda counts: {code: counts.get(code, 0) for code in scheme.arms}
        key, shown = self.stratum_of(levels), {}
        if scheme.method in ("hu-hu", "atkinson"):
            shown["total"] = arms(self.arms)
        if scheme.method not in ("minimization", "atkinson"):
            shown["stratum"] = arms(self.strata.get(key, {}))
        if scheme.method == "block":
            shown["block"] = arms(self.blocks.get(key, (0, {}))[1])
        names = [code if slot is None else f"{code}#{slot}" for code, slot, _ in scheme.cells]
        for factor in scheme.factors:
            shown[factor] = dict(zip(names, self.table(factor, levels)))
        return shown


def what_needs_an_epoch(before, scheme):
    """What of the rules changed that the counts so far have no meaning under; None if they go on."""
    if scheme.method != before.method:
        return "the method"
    if (scheme.factors, scheme.strata, scheme.needs) != (before.factors, before.strata, before.needs):
        return "the factors or strata"
    ratios_changed = any(scheme.ratio[code] != ratio for code, ratio in before.ratio.items())
    if scheme.slots != before.slots or scheme.slots and ratios_changed:
        return "the dummy arms of ratio-arms"
    if scheme.method == "maximal" and scheme.own != before.own:
        return "the limit or the length of maximal"
    if scheme.method == "list":
        longer = lambda key: scheme.list.get(key, [])[: len(before.list[key])]
        if scheme.arms != before.arms or any(longer(key) != before.list[key] for key in before.list):
            return "places of the list"
    return None


# ---- the law of each method -----------------------------------------------------------------------------------------


class Law:
    """Weights of the cells, and what the journal shows beside them."""

    def __init__(self, weights, imbalances=None, rounded=False):
        self.weights, self.imbalances, self.rounded = weights, imbalances, rounded


def law(state, levels, block):
    """The law of the next decision for a subject of those levels; `block` is the open one, or the one just opened."""
    scheme = state.scheme
    by_ratio = Law([ratio for _, _, ratio in scheme.cells])
    counts = state.stratum(levels)
    if len(scheme.cells) == 1 and scheme.method not in ("block", "block-urn", "list"):
        return by_ratio  # one arm is left: it is compared with none
    match scheme.method:
        case "none" | "simple":
            return by_ratio
        case "block":
            size, given = block
            rounds = size // sum(scheme.ratios)
            return Law([scheme.ratio[code] * rounds - given[code] for code in scheme.open])
        case "biased-coin":
            return coin(counts, exact(scheme.own["p"]))
        case "big-stick" | "chen":
            p = exact(scheme.own["p"]) if scheme.method == "chen" else Fraction(1, 2)
            return coin(counts, Fraction(1) if abs(counts[0] - counts[1]) >= scheme.own["limit"] else p)
        case "block-urn":
            return Law(urn(scheme, counts))
        case "wei-urn":
            # Wei 1978: alpha balls of each arm, and each subject adds beta balls of every other arm.
            balls = [exact(scheme.own["alpha"]) + exact(scheme.own["beta"]) * (sum(counts) - own) for own in counts]
            return Law(balls) if any(balls) else by_ratio
        case "maximal":
            return maximal(counts, scheme.own["limit"], scheme.own["subjects"])
        case "list":
            sequence = scheme.list.get(state.stratum_of(levels), [])
            given = sum(counts)
            if given >= len(sequence):
                raise Impossible("the list is used up")
            return Law([1 if code == sequence[given] else 0 for code in scheme.open])
        case "hu-hu":
            return hu_hu(state, levels)
        case "atkinson":
            return atkinson(state, levels)
        case "minimization":
            return by_ratio if state.total < scheme.own.get("burn_in", 0) else minimization(state, levels, by_ratio)
    raise Unreadable(f"the method {scheme.method!r} is not known to this verifier")


def urn(scheme, counts):
    """The balls of each arm that are left."""
    copies = scheme.own["lambda"] + min(count // ratio for count, ratio in zip(counts, scheme.ratios))
    return [ratio * copies - count for ratio, count in zip(scheme.ratios, counts)]


def coin(counts, p):
    """p for the arm that is behind, even chances for none."""
    first, second = counts
    if first == second:
        return Law([1, 1])
    return Law([p, 1 - p] if first < second else [1 - p, p])


@cache
def ways(left, apart, limit):
    """Sequences of that many subjects that lead from that difference to balance within the limit."""
    row = {0: 1}
    for _ in range(left):
        step = {}
        for at, count in row.items():
            for to in (at - 1, at + 1):
                if abs(to) <= limit:
                    step[to] = step.get(to, 0) + count
        row = step
    return row.get(apart, 0)


def maximal(counts, limit, subjects):
    """Berger, Ivanova & Knoll 2003: all sequences within the limit that end in balance are equally likely."""
    limit = min(limit, subjects // 2)
    first, second = counts
    left = subjects - (first + second) % subjects
    apart = abs(first - second)
    if apart > min(limit, left) or (left - apart) % 2:
        weights = [0, 1]  # too far apart to end in balance: back to it
    else:
        weights = [ways(left - 1, apart + 1, limit), ways(left - 1, abs(apart - 1), limit)]
    return Law(weights if first >= second else weights[::-1])


def hu_hu(state, levels):
    """Hu & Hu 2012: a coin by the weighted sum of differences in the study, the stratum and each level."""
    scheme = state.scheme
    stratum = state.stratum(levels)
    first, second = scheme.open
    parts = [(exact(scheme.own["total_weight"]), state.arms[first] - state.arms[second])]
    parts.append((exact(scheme.own["stratum_weight"]), stratum[0] - stratum[1]))
    for factor in scheme.factors:
        row = state.table(factor, levels)
        parts.append((scheme.weights[factor], row[0] - row[1]))
    lean = sum(weight * apart for weight, apart in parts)
    p = exact(scheme.own["p"])
    weights = [1, 1] if lean == 0 else [p, 1 - p] if lean < 0 else [1 - p, p]
    shown = [sum(weight * (apart + step) ** 2 for weight, apart in parts) for step in (1, -1)]
    return Law(weights, [str(Fraction(value)) for value in shown])


def atkinson(state, levels):
    """Atkinson 1982, D_A: an arm j in proportion to d_j = u_j' C⁻ u_j, where C is what is known of the differences of the open arms and
    u_j what the subject would add under it; even chances if its row is not in the span of those before."""
    open_arms, own = state.scheme.open, state.row_of(levels)
    even = Law([1] * len(open_arms))
    if any(name not in state.columns for name in own):
        return even
    # Columns that are not asked about: those of the levels, and of closed arms that somebody has.
    columns = list(range(len(state.columns)))
    beside = columns + [arm for arm in state.scheme.arms if arm not in open_arms and state.of_arm[arm, 0]]

    def met(one, other):
        """Subjects who are counted in both."""
        if isinstance(one, int) and isinstance(other, int):
            return Fraction(state.both[one, other])
        if isinstance(one, int):
            one, other = other, one
        if isinstance(other, int):
            return Fraction(state.of_arm[one, other])
        return Fraction(state.of_arm[one, 0] if one == other else 0)

    row = {state.columns[name] for name in own}
    x = [Fraction(one in row) for one in beside]
    counts = [[met(arm, one) for one in beside] for arm in open_arms]
    fitted = solutions([[met(one, other) for other in beside] for one in beside], [x, *counts])
    if fitted[0] is None:
        return even
    # Counts of arms are always in the span.
    product = lambda one, other: sum(a * b for a, b in zip(one, other))
    known = [
        [met(arm, other) - product(counts[at], fitted[1 + beyond]) for beyond, other in enumerate(open_arms)]
        for at, arm in enumerate(open_arms)
    ]
    along = [
        [Fraction(arm == other) - product(counts[at], fitted[0]) for at, other in enumerate(open_arms)] for arm in open_arms
    ]
    solved = solutions(known, along)
    if None not in solved:
        return Law([product(u, y) for u, y in zip(along, solved)])
    # Some difference is not known at all: what C does not see of each u. C is its own transpose, so that is u less its nearest C y.
    square = [[product(one, other) for other in known] for one in known]
    nearest = solutions(square, [[product(line, u) for line in known] for u in along])
    rest = [[a - product(line, y) for a, line in zip(u, known)] for u, y in zip(along, nearest)]
    return Law([product(one, one) for one in rest])


def solutions(matrix, sides):
    """For each right-hand side some solution of the square system; None if there is none."""
    size = len(matrix)
    lines = [[*line, *(side[at] for side in sides)] for at, line in enumerate(matrix)]
    pivots = []
    for column in range(size):
        at = len(pivots)
        pivot = next((line for line in range(at, size) if lines[line][column] != 0), None)
        if pivot is None:
            continue
        lines[at], lines[pivot] = lines[pivot], lines[at]
        lead = lines[at][column]
        lines[at] = [cell / lead for cell in lines[at]]
        for line in range(size):
            if line != at and lines[line][column] != 0:
                factor = lines[line][column]
                lines[line] = [cell - factor * above for cell, above in zip(lines[line], lines[at])]
        pivots.append(column)
    found = []
    for side in range(size, size + len(sides)):
        if any(lines[line][side] != 0 for line in range(len(pivots), size)):
            found.append(None)
            continue
        solution = [Fraction(0)] * size
        for line, column in enumerate(pivots):
            solution[column] = lines[line][side]
        found.append(solution)
    return found


# ---- minimization ---------------------------------------------------------------------------------------------------


def minimization(state, levels, by_ratio):
    """Pocock & Simon 1975, Taves 1974, Han et al. 2009, Kuznetsova & Tymofyeyev 2012."""
    scheme = state.scheme
    distance = scheme.own["distance"]
    ratios = [ratio for _, _, ratio in scheme.cells]
    rows = [(scheme.weights[factor], state.table(factor, levels)) for factor in scheme.factors]
    rows = [(weight, counts) for weight, counts in rows if weight != 0]
    scores = [score(distance, rows, ratios, cell) for cell in range(len(ratios))]
    imbalances, distinct = [], []
    for value in scores:
        if not any(value == known for known in distinct):
            distinct.append(value)
    distinct.sort()
    classes = [next(at for at, known in enumerate(distinct) if known == value) for value in scores]
    rounded = False
    if len(distinct) <= 1:
        weights = by_ratio.weights
    elif scheme.rule == "proportional":
        weights, rounded = proportional(exact(scheme.own["t"]), scheme, rows, ratios, scores)
    elif scheme.rule == "rank":
        weights = rank(exact(scheme.own["q"]), classes, ratios)
    else:
        weights = best(scheme, classes, ratios)
    # An arm's imbalance is the least of its dummies'.
    for code in scheme.open:
        own = [value for value, cell in zip(scores, scheme.cells) if cell[0] == code]
        imbalances.append(shown(min(own)))
    return Law(weights, imbalances, rounded)


def variance(counts):
    cells = len(counts)
    return (cells * sum(z * z for z in counts) - sum(counts) ** 2) / (cells * (cells - 1))


def score(distance, rows, ratios, cell):
    """The imbalance if that cell got the subject: a fraction, or a sum of roots for `sd`."""
    total, terms, cells = Fraction(0), [], len(ratios)
    for weight, counts in rows:
        before = [Fraction(count, ratio) for count, ratio in zip(counts, ratios)]
        after = before.copy()
        after[cell] += Fraction(1, ratios[cell])
        match distance:
            case "range":
                total += weight * (max(after) - min(after))
            case "variance":
                total += weight * variance(after)
            case "sd":
                terms.append((weight, variance(after)))
            case "marginal-total":
                total += weight * before[cell]
            case "marginal-balance":
                pairs = sum(abs(a - b) for at, a in enumerate(after) for b in after[:at])
                total += weight * pairs / ((cells - 1) * sum(after))
            case _:
                raise Unreadable(f"the distance {distance!r} is not known to this verifier")
    return Roots(terms) if distance == "sd" else total


def shown(value):
    """As the journal shows an imbalance: a fraction, or ten decimals of what is irrational."""
    if isinstance(value, Roots):
        exact_value = value.rational()
        if exact_value is None:
            return decimal(value.bounds(200)[0])
        value = exact_value
    return str(value)


def best(scheme, classes, ratios):
    """best, ratio-coin, ratio-arms: of the best each is first with probability proportional to its ratio."""
    p, cells, everybody = exact(scheme.own["p"]), len(ratios), sum(ratios)
    if scheme.rule == "ratio-coin":
        # Han et al. 2009: p is for the arm of the smallest ratio, when it is best.
        unit = (1 - p) / (everybody - min(ratios))
        low = [ratio * unit for ratio in ratios]
        high = [1 - (everybody - ratio) * unit for ratio in ratios]
    elif scheme.rule in ("best", "ratio-arms"):
        low, high = [(1 - p) / (cells - 1)] * cells, [p] * cells
    else:
        raise Unreadable(f"the rule {scheme.rule!r} is not known to this verifier")
    share = sum(ratio for ratio, at in zip(ratios, classes) if at == 0)
    first = [Fraction(ratio, share) if at == 0 else Fraction(0) for ratio, at in zip(ratios, classes)]
    return [chance * top + (1 - chance) * rest for chance, top, rest in zip(first, high, low)]


def rank(q, classes, ratios):
    """q - 2 (K q - 1) r / (K (K + 1)) for rank r; equal arms share their ranks, drawn one by one by ratio.

    Of two equal arms one is drawn before the other with the chance that is its part of their two ratios, whoever else is drawn
    between them. So an arm's mean rank is one more than the better arms and those chances together; and as the probability falls
    by the same with each rank, the mean of the probabilities is that of the mean rank.
    """
    cells = len(ratios)
    fall = 2 * (cells * q - 1) / (cells * (cells + 1))
    weights = []
    for cell in range(cells):
        better = sum(at < classes[cell] for at in classes)
        equal = [other for other in range(cells) if other != cell and classes[other] == classes[cell]]
        ahead = sum((Fraction(ratios[other], ratios[other] + ratios[cell]) for other in equal), Fraction(0))
        weights.append(q - fall * (1 + better + ahead))
    return weights


def proportional(t, scheme, rows, ratios, scores):
    """(1 - t G / ΣG) / (K - t); and whether irrational G had to be rounded."""
    rounded = False
    if isinstance(scores[0], Roots):
        roots = [root for value in scores for _, root in value.classes]
        if all(is_square(root * roots[0]) for root in roots):
            # One class: G are rational multiples of one root.
            scores = [sum((factor * isqrt(root * roots[0]) for factor, root in value.classes), Fraction(0)) for value in scores]
        else:
            scores, rounded = thirty_places(scheme, rows, ratios), True
    everybody = sum(scores)
    return [everybody - t * value for value in scores], rounded


def thirty_places(scheme, rows, ratios):
    """Irrational G as integers: G scaled by the weights' and the ratios' common multiples and by K (K - 1), each root cut off
    after sixty decimal places, the sum rounded to thirty."""
    cells = len(ratios)
    weight_scale = lcm(*(scheme.weights[factor].denominator for factor in scheme.factors))
    count_scale = lcm(*ratios)
    values = []
    for cell in range(cells):
        sum_of_roots = 0
        for weight, counts in rows:
            scaled = [count * count_scale // ratio for count, ratio in zip(counts, ratios)]
            scaled[cell] += count_scale // ratios[cell]
            spread = cells * sum(z * z for z in scaled) - sum(scaled) ** 2
            factor = int(weight * weight_scale)
            sum_of_roots += isqrt(factor * factor * spread * cells * (cells - 1) * 10**120)
        values.append(Fraction((sum_of_roots + 10**30 // 2) // 10**30))
    return values


# ---- the checks -----------------------------------------------------------------------------------------------------


def decide(state, levels, secret, number):
    """What the scheme allocates: everything the journal holds of a decision."""
    scheme = state.scheme
    state.require(levels)
    for name in scheme.needs:
        if scheme.levels.get(name) is not None and levels[name] not in scheme.levels[name]:
            raise Impossible(f"{levels[name]!r} is no level of {name}")
    draw, block = Draw(secret, number), None
    if scheme.method == "block":
        block = state.blocks.get(state.stratum_of(levels))
        if block is None:
            place = draw.pick([weight for _, weight in scheme.sizes])
            block = (scheme.sizes[place][0], Counter())
    odds = law(state, levels, block)
    cell = draw.pick(odds.weights)
    chances = dict.fromkeys(scheme.arms, Fraction(0))
    for (code, _, _), weight in zip(scheme.cells, odds.weights):
        chances[code] += Fraction(weight) / sum(odds.weights)
    imbalances = dict(zip(scheme.open, odds.imbalances or []))
    text = decimal if odds.rounded else str
    arms = [{"code": code, "imbalance": imbalances.get(code), "probability": text(chances[code])} for code in scheme.shown]
    code, slot, _ = scheme.cells[cell]
    return {
        "method": scheme.method,
        "arm": code,
        "slot": slot,
        "block_size": block and block[0],
        "place_in_block": block and block[1].total() + 1,
        "draws": draw.drawn,
        "counts": state.margins(levels),
        "arms": arms,
    }


def check_secret(package):
    with reading("package.json"):
        try:
            secret = bytes.fromhex(package["secret"])
        except ValueError:
            raise Unreadable("'secret' must be hexadecimal digits") from None
    found = hashlib.sha256(secret).hexdigest()
    if len(secret) != 32 or found != package["secret_digest"]:
        raise Differs(None, "secret", package["secret_digest"], found)
    return secret


# How the allocation of allocation.toml is called where subjects are allocated more than once.
FIRST = "first"


def rules_text(folder, version, name, files):
    """The text of a file that rules are made of: one of its version's own, and with the chain as it stands in the bundle."""
    at = f"bundle-{version}"
    parts = name.split("/")
    if parts[0] != at or len(parts) < 2 or any(part in ("", ".", "..") for part in parts) or "\\" in name:
        raise Differs(None, f"bundle version {version}", f"rules in {at}/", name)
    text = read_text(folder, name)
    if files is not None and text != files.get("/".join(parts[1:])):
        raise Differs(None, f"bundle version {version}", f"{name} as in the bundle", "another text")
    return text


def read_schemes(folder, package, bundles):
    """By the id of the allocation the rules of each version, in order; a version that allocated nobody may have none, as those of a
    registry have. `bundles` are the files of each version, where there is a chain to tell what they are."""
    schemes = {}
    for at, row in enumerate(sorted(package["bundles"], key=lambda row: row["version"]), 1):
        version = row["version"]
        if version != at:
            raise Differs(None, f"bundle version {at}", "each version, counted from 1", "no such version")
        text_of = lambda name: rules_text(folder, version, name, bundles and bundles[version])
        for which, file in ({FIRST: row["allocation"]} | row.get("further", {})).items():
            if file is not None:
                with reading(file):
                    scheme = Scheme(text_of, file)
                if scheme.arms:
                    schemes.setdefault(which, {})[version] = scheme
    return schemes


def read_recounts(folder):
    recounts = []
    for line, row in read_lines(folder, "recounts.jsonl"):
        with reading("recounts.jsonl", line):
            typed_keys(row, "the line", after=INTEGER, allocation=INTEGER)
            if "again" in row:
                known_keys(row, "the line", ("after", "allocation", "again"))
                if row["again"] is not True:
                    raise Unreadable("'again' must be true where it stands")
            else:
                typed_keys(row, "the line", levels=(OBJECT, NOTHING))
                known_keys(row, "the line", ("after", "allocation", "levels"))
                if row["levels"] is not None:
                    typed_levels(row["levels"], "'levels'")
        recounts.append(row)
    return recounts


def check_journal(folder, package, secret, entries):
    """Decides every allocation again; how many were drawn, imported and forced (given by hand), how many recounts there were, and
    whether the study has rules to allocate by."""
    schemes = read_schemes(folder, package, entries and entries["bundles"])
    digests = {row["version"]: row["digest"] for row in package["bundles"]}
    recounts = read_recounts(folder)
    told = {"recounts": len(recounts), "randomizes": bool(schemes)}
    if entries is not None:
        check_recounts(recounts, entries, schemes)
    courses = {which: Course(own) for which, own in schemes.items()}
    counts = {"drawn": 0, "imported": 0, "forced": 0}
    by_hand = Counter()  # how many were given in each allocation
    counting = {}  # number → the course that counts it
    arms = {}  # subject and allocation → arm
    expected_number = 1
    for line, row in read_lines(folder, "journal.jsonl"):
        with reading("journal.jsonl", line):
            number = typed_keys(row, "the line", number=INTEGER)["number"]
        if number != expected_number:
            raise Differs(expected_number, "number", expected_number, number)
        expected_number += 1
        with reading("journal.jsonl", line, number):
            check_line(row)
            check_record(row, typed(parse(row["record"]), "'record'", OBJECT))
            which, version = row["randomization"], row["bundle"]["version"]
            if which not in schemes:
                raise Differs(number, "randomization", sorted(schemes), which)
            if version not in schemes[which]:
                raise Differs(number, "bundle", sorted(schemes[which]), version)
            course = courses[which]
            check_arms_before(row, arms, schemes)
            if row["bundle"]["digest"] != digests[version]:
                raise Differs(number, "bundle.digest", digests[version], row["bundle"]["digest"])
            if entries is not None:
                check_entry(row, entries["allocations"].get(number), entries["rescreens"])
            while recounts and recounts[0]["after"] < number:
                recount = recounts.pop(0)
                if recount["allocation"] not in counting:
                    raise Differs(number, "recount", "of an allocation before", recount)
                counting[recount["allocation"]].recount(recount)
            course.before(number, version)
            if row["origin"] == "drawn":
                check_draw(row, course.state, secret)
            elif row["origin"] == "forced":
                by_hand[which] += 1
                check_forced(row, course.state, by_hand[which])
            elif counts["drawn"] or counts["forced"]:
                raise Differs(number, "origin", "drawn, as one before: a history is imported first or not at all", "imported")
            counts[row["origin"]] += 1
            course.record(row)
            counting[number] = course
    if expected_number - 1 != package["allocations"]:
        raise Differs(expected_number, "number", f"{package['allocations']} allocations", expected_number - 1)
    # What became known behind the last allocation changes no decision.
    for recount in recounts:
        if recount["allocation"] not in counting:
            raise Differs(recount["allocation"], "recount", "of an allocation before", recount)
        counting[recount["allocation"]].recount(recount)
    return counts | told


def check_forced(row, state, count):
    """An arm given by hand is one of the scheme's, within the limit of the rules, and stands in the open block if it has a place."""
    number, scheme = row["number"], state.scheme
    if count > scheme.forced:
        raise Differs(number, "forced", f"at most {scheme.forced}, by [forced] limit", count)
    if row["arm"] not in scheme.open:
        raise Differs(number, "arm", scheme.open, row["arm"])
    try:
        state.require(row["levels"])
    except Impossible as fault:
        raise Differs(number, "levels", str(fault), row["levels"]) from None
    block_size = state.place_in_open_block(row["levels"], row["arm"])
    if not same(row["block_size"], block_size):
        raise Differs(number, "block_size", block_size, row["block_size"])


class Course:
    """Follows the state of an allocation through the versions of its rules and what became known of subjects, both in order."""

    def __init__(self, schemes):
        self.versions = list(schemes.items())
        self.version, scheme = self.versions.pop(0)
        self.state = State(scheme)
        self.counted = {}  # number → its levels as known by now, whether it counts, its arm and its dummy; those of this epoch
        self.before_epoch = set()  # numbers of those that an epoch left behind: whatever becomes known of them, they count no more

    def before(self, number, version):
        """Brings the state to where that allocation was decided, by that version."""
        if version < self.version:
            raise Differs(number, "bundle", f"version {self.version} or a later one, as before", version)
        # Versions by which nobody was allocated are gone through as well: they may have ended blocks, or an epoch.
        while self.versions and self.versions[0][0] <= version:
            self.version, scheme = self.versions.pop(0)
            epoch = self.state.scheme.epoch
            try:
                self.state.go_on_by(scheme)
            except Impossible as fault:
                raise Differs(number, "amendment", f"rules that can follow those before version {self.version}", str(fault)) from None
            if scheme.epoch > epoch:
                self.before_epoch.update(self.counted)
                self.counted = {}

    def recount(self, recount):
        """Counts an allocation of before at other levels, nowhere, or again because it was in error that it counted nowhere.

        What is corrected of one that counts nowhere is known when it counts again; nothing but `again` brings it back.
        """
        if recount["allocation"] in self.before_epoch:
            return
        levels, counts, arm, slot = self.counted[recount["allocation"]]
        if "again" in recount:
            after = (levels, True)
        elif recount["levels"] is None:
            after = (levels, False)
        else:
            after = (recount["levels"], counts)
        try:
            self.state.require(after[0])
        except Impossible as fault:
            raise Differs(recount["allocation"], "recount", str(fault), after[0]) from None
        self.state.recount(levels if counts else None, after[0] if after[1] else None, arm, slot)
        self.counted[recount["allocation"]] = (*after, arm, slot)

    def record(self, row):
        """Counts the allocation of a line of the journal."""
        try:
            self.state.record(row["levels"], row["arm"], row["slot"], row["block_size"], origin=row["origin"])
        except Impossible as fault:
            raise Differs(row["number"], "arm", str(fault), row["arm"]) from None
        self.counted[row["number"]] = (row["levels"], True, row["arm"], row["slot"])


def check_arms_before(row, arms, schemes):
    """A subject is allocated once in each allocation; a level that is an earlier arm is that arm."""
    which, subject = row["randomization"], row["subject"]
    if (subject, which) in arms:
        raise Differs(row["number"], "subject", f"allocated once in {which!r}", subject)
    for earlier in schemes if which != FIRST else ():
        name = f"{earlier}_arm"
        if name in row["levels"] and row["levels"][name] != arms.get((subject, earlier)):
            raise Differs(row["number"], name, arms.get((subject, earlier)), row["levels"][name])
    arms[subject, which] = row["arm"]


def check_draw(row, state, secret):
    """What follows for this allocation is what the line says."""
    number = row["number"]
    try:
        follows = decide(state, row["levels"], secret, number)
    except Impossible as fault:
        raise Differs(number, "levels", str(fault), row["levels"]) from None
    except Unreadable:
        raise
    except Exception as fault:
        raise Unreadable(f"{state.scheme.name} decides nothing here: {in_a_sentence(fault)}") from None
    for what, expected in follows.items():
        if not same(row[what], expected):
            raise Differs(number, what, expected, row[what])


# What every line holds; what the record of each holds, and of a drawn one besides; what a record holds where it is not null; what
# makes one that was given; what a record may hold, and no other key.
OF_EACH = ("subject", "at", "at_microseconds", "origin", "levels", "arm", "slot", "block_size", "kit", "bundle", "record")
OF_EACH += ("place_in_block", "program")
RECORDED = ("number", "method", "levels", "arm")
RECORDED_OF_DRAWN = ("counts", "arms", "draws")
RECORDED_IF_ANY = ("slot", "block_size", "place_in_block", "program")
OF_GIVEN = {
    "imported": {"sha256": TEXT, "line": INTEGER, "at": (TEXT, NOTHING)},
    "forced": {"by": TEXT, "reason": TEXT, "at": TEXT},
}
IN_RECORDS = (*RECORDED, *RECORDED_OF_DRAWN, *RECORDED_IF_ANY, "bundle", "randomization")


def check_line(row):
    """The line holds every key it must have, each of its kind, and tells one time in both ways."""
    number = row["number"]
    # Lines of the time before there could be several allocations name none.
    typed(row.setdefault("randomization", FIRST), "'randomization'", TEXT)
    for key in OF_EACH:
        if key not in row:
            raise Differs(number, key, "a key of that name, be it null", "no such key")
    typed_keys(row, "the line", subject=INTEGER, at=TEXT, at_microseconds=INTEGER, origin=TEXT, bundle=OBJECT, record=TEXT)
    typed_keys(row, "the line", arm=TEXT, slot=(INTEGER, NOTHING), block_size=(INTEGER, NOTHING), kit=(TEXT, NOTHING))
    typed_keys(row, "the line", place_in_block=(INTEGER, NOTHING), program=(TEXT, NOTHING))
    typed_keys(row["bundle"], "'bundle'", version=INTEGER, digest=TEXT)
    known_keys(row["bundle"], "'bundle'", ("version", "digest"))
    typed_levels(row["levels"], "'levels'")
    typed(row.get("rescreens", 0), "'rescreens'", INTEGER)
    if row["origin"] not in ("drawn", "imported", "forced"):
        raise Unreadable(f"the origin {row['origin']!r} is not known to this verifier")
    at = instant(row["at_microseconds"])
    if row["at"] != at:
        raise Differs(number, "at", f"{at}, which is what at_microseconds says", row["at"])


def check_recounts(recounts, entries, schemes):
    """What became known of subjects changes the counts where the chain says that it became known, and as the rules say.

    Each allocation follows its own rules, those by which it was decided last before the fact; between the same two numbers, the allocations come in the order of their ids."""
    numbers, versions = {}, {}
    for number, entry in sorted(entries["allocations"].items()):
        numbers[entry["body"]["subject"], entry["body"].get("randomization", FIRST)] = number
        versions[number] = entry["body"]["bundle"]
    expected = []
    for which, rules in sorted(schemes.items()):
        out = defaultdict(set)  # allocation → numbers of the facts by which it counts nowhere
        for fact in entries["facts"]:
            line = {"after": fact["after"], "allocation": numbers.get((fact["subject"], which))}
            # What became known before, the decision knew.
            if line["allocation"] is None or line["allocation"] > fact["after"]:
                continue
            decided = max(version for number, version in versions.items() if number <= fact["after"])
            scheme = rules[max(version for version in rules if version <= decided)]
            levels = fact.get("levels") if which == FIRST else (fact.get("further") or {}).get(which)
            concerned = fact.get("randomization") in (None, which)
            leaves = out[line["allocation"]]
            if fact.get("takes_back") is not None:
                # A fact in error counts no more; what else has it count nowhere does.
                if fact["takes_back"] in leaves:
                    leaves.remove(fact["takes_back"])
                    if not leaves:
                        expected.append({**line, "again": True})
            elif concerned and fact["kind"] in scheme.exclude:
                leaves.add(fact["fact"])
                expected.append({**line, "levels": None})
            elif scheme.corrected and levels is not None:
                expected.append({**line, "levels": levels})
    expected.sort(key=lambda line: line["after"])
    for at in range(max(len(expected), len(recounts))):
        one, other = (lines[at] if at < len(lines) else None for lines in (expected, recounts))
        if not same(one, other):
            raise Differs((one or other)["allocation"], "recount", one, other)


def check_record(row, record):
    """What the database keeps of the decision, byte for byte, holds every key it must have and says the same as the line."""
    number = row["number"]
    for key, value in record.items():
        own = row.get(key)
        if key == "levels":
            own = {name: own.get(name) for name in typed_levels(value, "'levels' of 'record'")}
        if key in row and not same(own, value):
            raise Differs(number, "record", {key: value}, {key: own})
    for origin in OF_GIVEN:
        if (row["origin"] == origin) != (origin in record):
            raise Differs(number, "origin", origin if origin in record else f"not {origin}", row["origin"])
    # The line holds what the record does, and nothing else that is not its own.
    for key in record:
        if key not in row:
            raise Differs(number, key, record[key], "no such key")
    for key in row:
        if key not in (*OF_EACH, "number", "randomization", "rescreens", *record):
            raise Differs(number, key, "no such key", row[key])
    given = OF_GIVEN.get(row["origin"])
    # Records made before the program was noted hold no bundle either; the export then writes null for the program.
    several = () if row["randomization"] == FIRST else ("randomization",)
    of_drawn = RECORDED_OF_DRAWN if given is None else ()
    for key in RECORDED + of_drawn + several + tuple(key for key in RECORDED_IF_ANY if row[key] is not None):
        if key not in record:
            raise Differs(number, f"record.{key}", "a key of that name", "no such key")
    if "program" in record and "bundle" not in record:
        raise Differs(number, "record.bundle", "a key of that name", "no such key")
    if given is not None:
        typed_keys(record, "'record'", **{row["origin"]: OBJECT})
        typed_keys(record[row["origin"]], f"{row['origin']!r}", **given)
        known_keys(record[row["origin"]], f"{row['origin']!r}", given)
    known_keys(record, "'record'", (*IN_RECORDS, row["origin"]))


def check_entry(row, entry, rescreens):
    """The audit chain tells the same of the allocation."""
    number = row["number"]
    if entry is None:
        raise Differs(number, "chain-entry", "an entry that tells of it", None)
    body, told = entry["body"], entry["body"]["allocation"]
    pairs = [
        ("subject", body["subject"], row["subject"]),
        ("randomization", body.get("randomization", FIRST), row["randomization"]),
        # Of a subject that is allocated again, the entry of its enrollment tells.
        ("rescreens", rescreens.get(body["subject"]), row.get("rescreens")),
        ("arm", told["arm"], row["arm"]),
        ("levels", told["levels"], row["levels"]),
        ("kit", told["kit"], row["kit"]),
        ("origin", "imported" if told.get("imported") else "forced" if told.get("forced") else "drawn", row["origin"]),
        ("bundle", body["bundle"], row["bundle"]["version"]),
        ("at", entry["at"], row["at_microseconds"]),
        ("record", told["record"], hashlib.sha256(row["record"].encode()).hexdigest()),
    ]
    for what, expected, found in pairs:
        if not same(expected, found):
            raise Differs(number, what, expected, found)


def check_no_chain(folder, package):
    """Nothing says that there was an audit chain: with it come the bundles whole."""
    signs = [f"package.json names {row['files']}" for row in package["bundles"] if row.get("files") is not None]
    signs += [f"there is {path.name}" for path in sorted(folder.glob("bundle-*.json"))]
    if signs:
        raise Differs(None, "chain.jsonl", f"the audit chain, for {signs[0]}", "no such file")


def check_chain(folder, package):
    """Recomputes the digest of every entry and the links between them; the entries of allocations by number, and of facts."""
    previous, length = bytes(32), 0
    told = {"commitments": [], "versions": {}, "allocations": {}, "rescreens": {}, "facts": [], "first": None, "bundles": {}}
    for line, entry in read_lines(folder, "chain.jsonl"):
        length += 1
        with reading("chain.jsonl", line):
            typed_keys(entry, "the entry", seq=INTEGER, at=INTEGER, actor=TEXT, action=TEXT, body=TEXT, digest=TEXT)
            known_keys(entry, "the entry", ("seq", "at", "actor", "action", "body", "digest"))
            digest = hashlib.sha256()
            for part in (
                b"hagaki audit chain 1",
                struct.pack(">q", package["study_id"]),
                struct.pack(">q", length),
                struct.pack(">q", entry["at"]),
                entry["actor"].encode(),
                entry["action"].encode(),
                entry["body"].encode(),
                previous,
            ):
                digest.update(struct.pack(">Q", len(part)) + part)
            if entry["seq"] != length or digest.hexdigest() != entry["digest"]:
                raise Differs(None, f"chain entry {length}", digest.hexdigest(), entry["digest"])
            previous = digest.digest()
            heed(told, entry, typed(parse(entry["body"]), "the body", OBJECT), package)
    head = {"length": length, "head": previous.hex()}
    if head != package["chain"]:
        raise Differs(None, "chain head", package["chain"], head)
    commitments = told["commitments"]
    if not commitments or any(commitment != package["secret_digest"] for commitment in commitments):
        raise Differs(None, "secret commitment in the chain", commitments, package["secret_digest"])
    # A purge begins the chain anew; the versions up to then were told by the one that is gone.
    before = range(1, told["first"][1] + 1) if told["first"][0] == "purge" else ()
    versions = sorted({*before, *told["versions"]})
    listed = sorted(row["version"] for row in package["bundles"])
    if listed != versions:
        raise Differs(None, "bundle versions", versions, listed)
    for row in package["bundles"]:
        told["bundles"][row["version"]] = check_bundle(folder, row, package, told)
    return told


def heed(told, entry, body, package):
    """Keeps what an entry tells of the study, and compares how the study is called and whether it was a rehearsal."""
    action = entry["action"]
    if told["first"] is None:
        told["first"] = (action, body.get("version"))
        if action not in ("activate", "purge"):
            raise Differs(None, "first entry of the chain", "activate or purge", action)
    if action == "activate":
        typed_keys(body, "the body", slug=TEXT, stage=TEXT)
        for what, name in (("study", "slug"), ("stage", "stage")):
            if body[name] != package[what]:
                raise Differs(None, what, body[name], package[what])
    if action == "purge" and package["stage"] != "development":
        raise Differs(None, "stage", "development, for nothing else is purged", package["stage"])
    if action in ("activate", "purge"):
        told["commitments"].append(typed_keys(body, "the body", secret=TEXT, version=INTEGER)["secret"])
    if action in ("activate", "amend"):
        typed_keys(body, "the body", version=INTEGER, bundle=TEXT)
        if body["version"] in told["versions"]:
            raise Differs(None, f"bundle version {body['version']}", "told once by the chain", "told twice")
        told["versions"][body["version"]] = (body["bundle"], entry["at"])
    if action == "purge" and "bundle" in body:
        told["versions"][body["version"]] = (typed(body["bundle"], "'bundle'", TEXT), None)
    if action == "enroll":
        typed_keys(body, "the body", subject=INTEGER)
        told["rescreens"][body["subject"]] = typed(body.get("rescreens"), "'rescreens'", INTEGER, NOTHING)
    if action == "randomize" or action == "enroll" and body.get("allocation") is not None:
        typed_keys(body, "the body", subject=INTEGER, bundle=INTEGER, allocation=OBJECT)
        if action == "randomize":
            typed_keys(body, "the body", randomization=TEXT)
        typed_keys(body["allocation"], "'allocation'", number=INTEGER, arm=TEXT, levels=OBJECT, record=TEXT)
        typed_keys(body["allocation"], "'allocation'", kit=(TEXT, NOTHING))
        if body["allocation"]["number"] in told["allocations"]:
            raise Differs(body["allocation"]["number"], "chain-entry", "one entry that tells of it", "two")
        told["allocations"][body["allocation"]["number"]] = {"at": entry["at"], "body": body}
    if action == "fact":
        typed_keys(body, "the body", fact=INTEGER, after=INTEGER, subject=INTEGER, kind=TEXT)
        typed(body.get("takes_back"), "'takes_back'", INTEGER, NOTHING)
        typed(body.get("levels"), "'levels'", OBJECT, NOTHING)
        typed(body.get("further"), "'further'", OBJECT, NOTHING)
        told["facts"].append(body)


def check_bundle(folder, row, package, told):
    """The bundle's digest, from all of its files, is what the chain tells, and so are the time and the files of the rules; its
    files."""
    what = f"bundle version {row['version']}"
    if row.get("files") is None:
        raise Differs(None, what, "all of its files, as there is a chain", "package.json names none")
    with reading(row["files"]):
        files = typed(parse(read_text(folder, row["files"])), "the file", OBJECT)
        digest = hashlib.sha256()
        for path in sorted(files, key=str.encode):
            for part in (path.encode(), typed(files[path], repr(path), TEXT).encode()):
                digest.update(struct.pack(">Q", len(part)) + part)
        digest = digest.hexdigest()
        # Of what a purge left, nothing but the package itself tells.
        expected, at = told["versions"].get(row["version"], (row["digest"], None))
        if not digest == row["digest"] == expected:
            raise Differs(None, what, expected, row["digest"] if digest == expected else digest)
        if at is not None and row["at"] != instant(at):
            raise Differs(None, what, instant(at), row["at"])
        study = read_toml(typed(files.get("study.toml"), "'study.toml'", TEXT))
        if study.get("slug") != package["study"]:
            raise Differs(None, "study", study.get("slug"), package["study"])
        at = f"bundle-{row['version']}"
        further = {own["id"]: f"{at}/{own['file']}" for own in study.get("allocation", [])}
        if further != row.get("further", {}):
            raise Differs(None, what, further, row.get("further", {}))
        rules = f"{at}/allocation.toml" if "allocation.toml" in files else None
        if row["allocation"] != rules:
            raise Differs(None, what, rules, row["allocation"])
    with reading(at):
        for path in sorted(path for path in (folder / at).rglob("*") if not path.is_dir()):
            name = path.relative_to(folder / at).as_posix()
            if text_in(path) != files.get(name):
                raise Differs(None, what, f"{name} as in the bundle", "another text")
    return files


def verify(folder):
    """The report on a package."""
    package = read_package(folder)
    report = {"study": package["study"], "stage": package["stage"], "proved": True, "chain_checked": False}
    try:
        secret = check_secret(package)
        entries = None
        if (folder / "chain.jsonl").exists():
            entries = check_chain(folder, package)
            report["chain_checked"] = True
        else:
            check_no_chain(folder, package)
        counts = check_journal(folder, package, secret, entries)
        report["recomputed"], report["given"] = counts["drawn"], counts["imported"] + counts["forced"]
        report["imported"], report["forced"] = counts["imported"], counts["forced"]
        report["recounts"] = counts["recounts"]
        if entries is not None and len(entries["allocations"]) != package["allocations"]:
            raise Differs(package["allocations"] + 1, "number", len(entries["allocations"]), package["allocations"])
    except Differs as difference:
        return {"study": package["study"], "stage": package["stage"], "proved": False, **difference.report}
    if report["recomputed"] == 0:
        report["proved"] = False
        report["imported_only"] = report["given"] > 0 and report["forced"] == 0 and report["chain_checked"]
        how = "imported" if report["forced"] == 0 else "imported or given by hand"
        if not counts["randomizes"]:
            report["reason"] = "the study randomizes nobody"
        elif report["given"] == 0:
            report["reason"] = "there is no allocation in the package"
        elif report["chain_checked"]:
            report["reason"] = f"every allocation was {how}, as the audit chain says too, so nothing was drawn"
        else:
            report["reason"] = f"every allocation is said to be {how}, and there is no audit chain to say so too"
    report["checked"], report["not_checked"] = what_was_checked(report), what_was_not(report)
    return report


def what_was_checked(report):
    """Everything that agrees, one thing a text."""
    chain = report["chain_checked"]
    checked = ["SHA-256 of the secret is the digest in package.json"]
    if report["recomputed"]:
        checked.append(
            f"{report['recomputed']} drawn allocations: counts, probabilities, draws, block sizes and arms follow from the secret, the "
            "rules of their versions, the levels, and the allocations and recounts before"
        )
    if report["recomputed"] or report["given"]:
        checked.append(
            "the allocations are numbered without a gap, nobody is allocated twice in one allocation, a level that is an earlier arm is "
            "that arm, and each line says what its record says"
        )
    if report["imported"]:
        checked.append(f"{report['imported']} imported allocations come before all others, and are counted as they are told")
    if report["forced"]:
        checked.append(
            f"{report['forced']} arms given by hand are open arms, no more than [forced] limit, and stand where the rules put them"
        )
    if report["recounts"]:
        checked.append(
            f"{report['recounts']} recounts: each is of an allocation before it and has the levels that the rules look at"
            + (", and they are all that the facts in the audit chain lead to by `corrections` and `exclude`" if chain else "")
        )
    elif chain:
        checked.append("no fact in the audit chain leads to a recount by `corrections` and `exclude`")
    if chain:
        checked.append("each entry of the audit chain has the digest it must have, to the head in package.json, and commits to this secret")
        checked.append(
            "subject, arm, levels, kit, origin, version, time and record of each allocation are those of its entry in the audit chain, "
            "and no entry tells of another"
        )
        checked.append("study, stage, and versions of the rules with their texts and times are those of the audit chain")
    return checked


def what_was_not(report):
    """What has to be believed, or compared by whoever reads this."""
    missing = []
    if report["chain_checked"]:
        missing.append("whether the head of the audit chain and the digest of the secret are those that you were given while the study ran")
    else:
        missing.append("whether the digest of the secret is the one that you were given when the study was activated")
        missing.append("whether the journal is the one that was written then: subjects, levels, kits, times, and what was left out")
        missing.append(
            "whether the rules in the package are those that were in force, and since when: the digest of a version needs all of its files"
        )
        missing.append("whether study and stage are those of package.json, and whether its secret is the one committed to")
        missing.append(
            f"whether the {report['recounts']} recounts are what became known, when it did, and whether others are missing: which follow "
            "from `corrections` and `exclude`, the facts in the audit chain tell"
            if report["recounts"]
            else "whether anything became known of a subject that should have changed the counts (`corrections`, `exclude`): there is no "
            "recount in the package"
        )
    if report["given"]:
        of_chain = "who gave them and why" if report["chain_checked"] else "whether there were any, who gave them and why"
        missing.append(f"imported allocations and arms given by hand are taken as told: {of_chain}")
    missing.append(
        "caps, eligibility, conditions of further allocations, kits, who was entitled, and whether levels were what the subjects really had"
    )
    return missing


def in_words(report):
    study = f"{report['study']} ({report['stage']})"
    if not report["proved"] and "reason" not in report:
        where = f"allocation {report['number']}" if report["number"] else "the package"
        return f"{where} differs: {report['what']}: expected {report['expected']}; found {report['found']}"
    if "reason" in report:
        said = f"{study}: nothing was recomputed and nothing is proved: {report['reason']}"
    else:
        chain = "with" if report["chain_checked"] else "WITHOUT"
        said = f"{study}: {report['recomputed']} allocations recomputed, {chain} the audit chain; everything that was checked agrees."
    told = lambda title, lines: "\n".join([title, *(f"  * {line}" for line in lines)])
    return "\n".join([said, told("Checked:", report["checked"]), told("Not checked:", report["not_checked"])])


def say(text, stream):
    """Writes a text; that nobody reads on (`| head`) changes no verdict."""
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        # So that the interpreter does not try once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def fail(error, as_json, file=None, line=None, number=None):
    if as_json:
        report = {"proved": False, "error": error, "file": file, "line": line, "number": number}
        say(json.dumps(report, ensure_ascii=False), sys.stdout)
    else:
        say(error, sys.stderr)
    return 2


def main(words):
    as_json = "--json" in words
    folders = [word for word in words if word != "--json"]
    try:
        if len(folders) != 1 or folders[0].startswith("-"):
            return fail("usage: hagaki_verify.py PACKAGE [--json]", as_json)
        report = verify(Path(folders[0]))
    except Exception as fault:
        told = fault if isinstance(fault, Unreadable) else Unreadable(in_a_sentence(fault))
        return fail(f"the package cannot be read: {told}", as_json, told.file, told.line, told.number)
    say(json.dumps(report, ensure_ascii=False) if as_json else in_words(report), sys.stdout)
    return 0 if report["proved"] else 1


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main(sys.argv[1:]))
