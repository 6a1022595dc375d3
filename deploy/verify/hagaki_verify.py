#!/usr/bin/env python3
"""Recomputes every allocation of a study from the package that `hagaki allocation reveal` writes.

This file shares no code with the program that allocated. It is written from the description in the README beside it,
needs nothing but Python 3.11 and its standard library, and is meant to be read. All numbers are integers or fractions.

    python3 hagaki_verify.py PACKAGE [--json]

Exit code 0: everything that was checked agrees. 1: something differs; the first difference is named.
2: the package cannot be read, or the command line is wrong.

How it is laid out: draws (ChaCha20, integers), numbers, the scheme, the counts, the law of each method, then the checks
of the secret, of the audit chain and of the journal.
"""

import csv
import hashlib
import io
import json
import struct
import sys
import tomllib
from fractions import Fraction
from functools import cache
from math import isqrt, lcm
from pathlib import Path


class Differs(Exception):
    """The first difference: allocation number (or None), what differs, what follows, what the package says."""

    def __init__(self, number, what, expected, found):
        super().__init__(what)
        self.report = {"number": number, "what": what, "expected": expected, "found": found}


class Unreadable(Exception):
    """The package is not one, or this version of the verifier does not know something in it."""


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


def exact(value):
    """A number of the file, exactly: 2, 0.8, "0.8", "4/5"."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise Unreadable(f"{value!r} is no number")
    above, _, below = str(value).replace("_", "").partition("/")
    return Fraction(above.strip()) / (Fraction(below.strip()) if below else 1)


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


class Scheme:
    """An allocation.toml, with everything in an order of its own: arms and factors sorted, so that the file's cannot matter."""

    def __init__(self, path):
        # A float stays the text it was written as.
        file = tomllib.loads(path.read_text("utf-8"), parse_float=str)
        self.file = file
        self.method = file["method"]
        self.shown = [arm["code"] for arm in file.get("arms", [])]
        arms = {arm["code"]: int(arm.get("ratio", 1)) for arm in file.get("arms", [])}
        self.arms = sorted(arms)
        self.ratios = [arms[code] for code in self.arms]
        self.own = file.get(self.method, {})
        self.rule = self.own.get("rule", "")
        # What a draw chooses among: the arms, or under ratio-arms as many equal dummies of each as its ratio says.
        if self.rule == "ratio-arms":
            self.cells = [(code, slot, 1) for code in self.arms for slot in range(arms[code])]
        else:
            self.cells = [(code, None, arms[code]) for code in self.arms]
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
        # What must stay when the rules are amended, so that the counts so far can be used.
        self.shape = (self.method, self.cells, self.factors, self.strata)
        self.corrected = file.get("corrections", "original") == "corrected"
        self.exclude = file.get("exclude", ["duplicate"])
        self.needs = sorted({name for name in (*self.factors, *strata) if name != "total"})
        if self.method == "block":
            sizes = self.own["sizes"]
            weights = self.own.get("weights", [1] * len(sizes))
            self.sizes = sorted((int(size), exact(weight)) for size, weight in zip(sizes, weights))
        if self.method == "list":
            self.list = self.read_list(path.parent / self.own["file"])

    def read_list(self, path):
        """Levels of the strata → arms in order; this program's columns, or those of a REDCap allocation table."""
        text = path.read_text("utf-8").removeprefix("\ufeff")
        lines = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text)) if line]
        header = lines[0]

        def column(*names):
            return next(header.index(name) for name in names if name in header)

        renamed = self.own.get("columns", {})
        arm = column("arm", "redcap_randomization_group")
        places = []
        for name in self.strata:
            names = [renamed.get(name, name)] + (["redcap_data_access_group"] if name == "site" else [])
            places.append(column(*names))
        sequences = {}
        for line in lines[1:]:
            sequences.setdefault(tuple(line[place] for place in places), []).append(line[arm])
        return sequences


# ---- the counts -----------------------------------------------------------------------------------------------------


class State:
    """Everything the next decision depends on: who got what so far."""

    def __init__(self, scheme):
        self.scheme = scheme
        self.total = 0
        self.arms = [0] * len(scheme.arms)
        self.tables = {}  # (factor, level) → subjects of each cell
        self.strata = {}  # levels of the strata → subjects of each arm
        self.blocks = {}  # levels of the strata → [size, subjects of each arm], while the block is not full
        self.rows = []  # under atkinson: (levels of the factors, +1 or -1) of everybody

    def stratum_of(self, levels):
        return tuple(levels[name] for name in self.scheme.strata)

    def level_of(self, factor, levels):
        return "" if factor == "total" else levels[factor]

    def stratum(self, levels):
        return self.strata.get(self.stratum_of(levels), [0] * len(self.scheme.arms))

    def table(self, factor, levels):
        return self.tables.get((factor, self.level_of(factor, levels)), [0] * len(self.scheme.cells))

    def record(self, levels, arm, slot, block_size):
        """Counts an allocation; the place of its cell. LookupError if it cannot be one."""
        scheme = self.scheme
        cell = next((at for at, known in enumerate(scheme.cells) if known[:2] == (arm, slot)), None)
        if cell is None:
            raise LookupError("the scheme has no such arm or slot")
        place = scheme.arms.index(arm)
        key = self.stratum_of(levels)
        if scheme.method == "block":
            block = self.blocks.setdefault(key, [block_size, [0] * len(scheme.arms)])
            if block[0] != block_size or block_size not in [size for size, _ in scheme.sizes]:
                raise LookupError("the block has another size")
            if block[1][place] >= scheme.ratios[place] * block_size // sum(scheme.ratios):
                raise LookupError("the block has no place left for the arm")
            block[1][place] += 1
            if sum(block[1]) == block_size:
                del self.blocks[key]
        self.strata.setdefault(key, [0] * len(scheme.arms))[place] += 1
        for factor in scheme.factors:
            row = self.tables.setdefault((factor, self.level_of(factor, levels)), [0] * len(scheme.cells))
            row[cell] += 1
        if scheme.method == "atkinson":
            self.rows.append((tuple(levels[factor] for factor in scheme.factors), 1 if place == 0 else -1))
        self.total += 1
        self.arms[place] += 1
        return cell

    def recount(self, before, after, cell):
        """Counts an allocation at other levels, or nowhere (None): what minimization compares, and nothing else."""
        if self.scheme.method == "minimization":
            for levels, step in ((before, -1), (after, 1)):
                for factor in self.scheme.factors if levels is not None else []:
                    key = (factor, self.level_of(factor, levels))
                    self.tables.setdefault(key, [0] * len(self.scheme.cells))[cell] += step

    def margins(self, levels):
        """The counts a decision rests on, as the journal shows them."""
        scheme = self.scheme
        arms = lambda counts: dict(zip(scheme.arms, counts))
        shown = {}
        if scheme.method in ("hu-hu", "atkinson"):
            shown["total"] = arms(self.arms)
        if scheme.method not in ("minimization", "atkinson"):
            shown["stratum"] = arms(self.stratum(levels))
        if scheme.method == "block":
            open_block = self.blocks.get(self.stratum_of(levels), [0, [0] * len(scheme.arms)])
            shown["block"] = arms(open_block[1])
        names = [code if slot is None else f"{code}#{slot}" for code, slot, _ in scheme.cells]
        for factor in scheme.factors:
            shown[factor] = dict(zip(names, self.table(factor, levels)))
        return shown


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
    match scheme.method:
        case "none" | "simple":
            return by_ratio
        case "block":
            size, given = block
            rounds = size // sum(scheme.ratios)
            return Law([ratio * rounds - count for ratio, count in zip(scheme.ratios, given)])
        case "biased-coin":
            return coin(counts, exact(scheme.own["p"]))
        case "big-stick" | "chen":
            p = exact(scheme.own["p"]) if scheme.method == "chen" else Fraction(1, 2)
            return coin(counts, Fraction(1) if abs(counts[0] - counts[1]) >= scheme.own["limit"] else p)
        case "block-urn":
            urn = scheme.own["lambda"] + min(count // ratio for count, ratio in zip(counts, scheme.ratios))
            return Law([ratio * urn - count for ratio, count in zip(scheme.ratios, counts)])
        case "wei-urn":
            balls = [exact(scheme.own["alpha"]) + exact(scheme.own["beta"]) * other for other in reversed(counts)]
            return Law(balls) if any(balls) else by_ratio
        case "maximal":
            return maximal(counts, scheme.own["limit"], scheme.own["subjects"])
        case "list":
            sequence = scheme.list.get(state.stratum_of(levels), [])
            given = sum(counts)
            if given >= len(sequence):
                raise LookupError("the list is used up")
            return Law([1 if code == sequence[given] else 0 for code in scheme.arms])
        case "hu-hu":
            return hu_hu(state, levels)
        case "atkinson":
            return atkinson(state, levels)
        case "minimization":
            return by_ratio if state.total < scheme.own.get("burn_in", 0) else minimization(state, levels, by_ratio)
    raise Unreadable(f"the method {scheme.method!r} is not known to this verifier")


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
    parts = [(exact(scheme.own["total_weight"]), state.arms[0] - state.arms[1])]
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
    """Atkinson 1982, D_A: (1 - g)² : (1 + g)² with g = x' (F'F)⁻ F'b; even chances if x is not in the span of F."""
    columns = {None: 0}
    for row, _ in state.rows:
        for pair in enumerate(row):
            columns.setdefault(pair, len(columns))
    size = len(columns)
    own = [None] + list(enumerate(tuple(levels[factor] for factor in state.scheme.factors)))
    if any(column not in columns for column in own):
        return Law([1, 1])
    # Augmented matrix of F'F y = x; then g = y' F'b.
    matrix = [[Fraction(0)] * (size + 1) for _ in range(size)]
    apart = [0] * size
    for row, sign in state.rows:
        places = [0] + [columns[pair] for pair in enumerate(row)]
        for one in places:
            apart[one] += sign
            for other in places:
                matrix[one][other] += 1
    for column in own:
        matrix[columns[column]][size] = Fraction(1)
    pivots = []
    for column in range(size):
        at = len(pivots)
        pivot = next((line for line in range(at, size) if matrix[line][column] != 0), None)
        if pivot is None:
            continue
        matrix[at], matrix[pivot] = matrix[pivot], matrix[at]
        lead = matrix[at][column]
        matrix[at] = [cell / lead for cell in matrix[at]]
        for line in range(size):
            if line != at and matrix[line][column] != 0:
                factor = matrix[line][column]
                matrix[line] = [cell - factor * above for cell, above in zip(matrix[line], matrix[at])]
        pivots.append(column)
    if any(matrix[line][size] != 0 for line in range(len(pivots), size)):
        return Law([1, 1])
    g = sum(matrix[line][size] * apart[column] for line, column in enumerate(pivots))
    return Law([(1 - g) ** 2, (1 + g) ** 2])


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
    for code in scheme.arms:
        own = [value for value, cell in zip(scores, scheme.cells) if cell[0] == code]
        imbalances.append(shown(min(own)))
    return Law(weights, imbalances, rounded)


def score(distance, rows, ratios, cell):
    """The imbalance if that cell got the subject: a fraction, or a sum of roots for `sd`."""
    total, terms, cells = Fraction(0), [], len(ratios)
    for weight, counts in rows:
        before = [Fraction(count, ratio) for count, ratio in zip(counts, ratios)]
        after = before.copy()
        after[cell] += Fraction(1, ratios[cell])
        variance = (cells * sum(z * z for z in after) - sum(after) ** 2) / (cells * (cells - 1))
        match distance:
            case "range":
                total += weight * (max(after) - min(after))
            case "variance":
                total += weight * variance
            case "sd":
                terms.append((weight, variance))
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
    """q - 2 (K q - 1) r / (K (K + 1)) for rank r; equal arms share their ranks, drawn one by one by ratio."""
    cells = len(ratios)
    steps = [q - 2 * (cells * q - 1) * r / (cells * (cells + 1)) for r in range(1, cells + 1)]
    weights = [Fraction(0)] * cells

    def share(members, taken, chance):
        """Gives the next step to each member that is left, by its chance to be the next."""
        everybody = sum(ratios[member] for member in members)
        for member in members:
            own = chance * Fraction(ratios[member], everybody)
            weights[member] += own * steps[taken]
            rest = tuple(other for other in members if other != member)
            if rest:
                share(rest, taken + 1, own)

    taken = 0
    for at in range(max(classes) + 1):
        members = tuple(cell for cell in range(cells) if classes[cell] == at)
        if len({ratios[member] for member in members}) == 1:
            for member in members:
                weights[member] = sum(steps[taken : taken + len(members)]) / len(members)
        else:
            share(members, taken, Fraction(1))
        taken += len(members)
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
    for name in scheme.needs:
        if name not in levels:
            raise LookupError(f"no level is given for {name}")
        if scheme.levels.get(name) is not None and levels[name] not in scheme.levels[name]:
            raise LookupError(f"{levels[name]!r} is no level of {name}")
    draw, block = Draw(secret, number), None
    if scheme.method == "block":
        block = state.blocks.get(state.stratum_of(levels))
        if block is None:
            place = draw.pick([weight for _, weight in scheme.sizes])
            block = [scheme.sizes[place][0], [0] * len(scheme.arms)]
    odds = law(state, levels, block)
    cell = draw.pick(odds.weights)
    chances = dict.fromkeys(scheme.arms, Fraction(0))
    for (code, _, _), weight in zip(scheme.cells, odds.weights):
        chances[code] += Fraction(weight) / sum(odds.weights)
    imbalances = dict(zip(scheme.arms, odds.imbalances or [None] * len(scheme.arms)))
    text = decimal if odds.rounded else str
    arms = [{"code": code, "imbalance": imbalances[code], "probability": text(chances[code])} for code in scheme.shown]
    code, slot, _ = scheme.cells[cell]
    return {
        "arm": code,
        "slot": slot,
        "block_size": block and block[0],
        "place_in_block": block and sum(block[1]) + 1,
        "draws": draw.drawn,
        "counts": state.margins(levels),
        "arms": arms,
    }


def check_secret(package):
    secret = bytes.fromhex(package["secret"])
    found = hashlib.sha256(secret).hexdigest()
    if len(secret) != 32 or found != package["secret_digest"]:
        raise Differs(None, "secret", package["secret_digest"], found)
    return secret


def check_journal(folder, package, secret, entries):
    """Decides every allocation again; the numbers of those recomputed and of those taken as given."""
    schemes = {row["version"]: Scheme(folder / row["allocation"]) for row in package["bundles"]}
    recounts = list(read_lines(folder / "recounts.jsonl"))
    if entries is not None:
        check_recounts(recounts, entries, schemes[max(schemes)])
    state, version, recomputed, given = None, None, 0, 0
    counted = {}  # number → where it counts (None: nowhere), and its cell
    expected_number = 1
    for row in read_lines(folder / "journal.jsonl"):
        number = row["number"]
        if number != expected_number:
            raise Differs(expected_number, "number", expected_number, number)
        expected_number += 1
        if row["bundle"]["version"] != version:
            version = row["bundle"]["version"]
            if version not in schemes:
                raise Differs(number, "bundle", sorted(schemes), version)
            if state is None:
                state = State(schemes[version])
            elif state.scheme.shape != schemes[version].shape:
                raise Unreadable(f"version {version} changes the method, which this verifier cannot follow")
            state.scheme = schemes[version]
        while recounts and recounts[0]["after"] < number:
            recount = recounts.pop(0)
            before, cell = counted[recount["allocation"]]
            if before is not None:
                state.recount(before, recount["levels"], cell)
                counted[recount["allocation"]] = (recount["levels"], cell)
        levels, allotment = row["levels"], (row["arm"], row["slot"], row["block_size"])
        check_record(row)
        if entries is not None:
            check_entry(row, entries["allocations"].get(number))
        if row["origin"] == "drawn":
            try:
                follows = decide(state, levels, secret, number)
            except LookupError as fault:
                raise Differs(number, "levels", str(fault), levels) from None
            for what, expected in follows.items():
                if row.get(what) != expected:
                    raise Differs(number, what, expected, row.get(what))
            recomputed += 1
        elif row["origin"] == "imported":
            given += 1
        else:
            raise Unreadable(f"allocation {number} is {row['origin']!r}, which this verifier does not know")
        try:
            counted[number] = (levels, state.record(levels, *allotment))
        except LookupError as fault:
            raise Differs(number, "arm", str(fault), row["arm"]) from None
    if expected_number - 1 != package["allocations"]:
        raise Differs(expected_number, "number", f"{package['allocations']} allocations", expected_number - 1)
    return recomputed, given


def check_recounts(recounts, entries, scheme):
    """What became known of subjects changes the counts where the chain says that it became known, and as the rules say."""
    numbers = {entry["body"]["subject"]: number for number, entry in entries["allocations"].items()}
    expected = []
    for fact in entries["facts"]:
        line = {"after": fact["after"], "allocation": numbers.get(fact["subject"])}
        if line["allocation"] is None:
            continue
        if fact["kind"] in scheme.exclude:
            expected.append({**line, "levels": None})
        elif scheme.corrected and fact["levels"] is not None:
            expected.append({**line, "levels": fact["levels"]})
    for at in range(max(len(expected), len(recounts))):
        one, other = (lines[at] if at < len(lines) else None for lines in (expected, recounts))
        if one != other:
            raise Differs((one or other)["allocation"], "recount", one, other)


def check_record(row):
    """What the database keeps of the decision, byte for byte, says the same as the line."""
    for key, value in json.loads(row["record"]).items():
        own = row["levels"] if key == "levels" else row.get(key)
        if key == "levels":
            own = {name: own.get(name) for name in value}
        if key in row and own != value:
            raise Differs(row["number"], "record", value, own)


def check_entry(row, entry):
    """The audit chain tells the same of the allocation."""
    number = row["number"]
    if entry is None:
        raise Differs(number, "chain-entry", "an entry that tells of it", None)
    body, told = entry["body"], entry["body"]["allocation"]
    pairs = [
        ("subject", body["subject"], row["subject"]),
        ("arm", told["arm"], row["arm"]),
        ("levels", told["levels"], row["levels"]),
        ("kit", told["kit"], row["kit"]),
        ("origin", "imported" if told.get("imported") else "drawn", row["origin"]),
        ("bundle", body["bundle"], row["bundle"]["version"]),
        ("at", entry["at"], row["at_microseconds"]),
        ("record", told["record"], hashlib.sha256(row["record"].encode()).hexdigest()),
    ]
    for what, expected, found in pairs:
        if expected != found:
            raise Differs(number, what, expected, found)


def check_chain(folder, package):
    """Recomputes the digest of every entry and the links between them; the entries of allocations by number, and of facts."""
    previous, length, commitments, versions = bytes(32), 0, [], {}
    allocations, facts = {}, []
    for entry in read_lines(folder / "chain.jsonl"):
        length += 1
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
        body = json.loads(entry["body"])
        if entry["action"] in ("activate", "purge"):
            commitments.append(body["secret"])
        if entry["action"] in ("activate", "amend"):
            versions[body["version"]] = body["bundle"]
        if entry["action"] == "enroll" and body.get("allocation"):
            allocations[body["allocation"]["number"]] = {"at": entry["at"], "body": body}
        if entry["action"] == "fact":
            facts.append(body)
    head = {"length": length, "head": previous.hex()}
    if head != package["chain"]:
        raise Differs(None, "chain head", package["chain"], head)
    if not commitments or any(told != package["secret_digest"] for told in commitments):
        raise Differs(None, "secret commitment in the chain", commitments, package["secret_digest"])
    for row in package["bundles"]:
        check_bundle(folder, row, versions.get(row["version"]))
    return {"allocations": allocations, "facts": facts}


def check_bundle(folder, row, told):
    """The bundle's digest, from all of its files, is what the chain tells; its allocation.toml is the one that was used."""
    files = json.loads((folder / row["files"]).read_text("utf-8"))
    digest = hashlib.sha256()
    for path in sorted(files, key=str.encode):
        for part in (path.encode(), files[path].encode()):
            digest.update(struct.pack(">Q", len(part)) + part)
    if not digest.hexdigest() == row["digest"] == told:
        raise Differs(None, f"bundle version {row['version']}", told, digest.hexdigest())
    for name in (folder / row["allocation"]).parent.iterdir():
        if name.read_text("utf-8") != files.get(name.name):
            raise Differs(None, f"bundle version {row['version']}", f"{name.name} as in the bundle", "another text")


def read_lines(path):
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        if line:
            try:
                yield json.loads(line)
            except ValueError as fault:
                raise Unreadable(f"{path.name}:{number}: {fault}") from None


def verify(folder):
    """The report on a package."""
    package = json.loads((folder / "package.json").read_text("utf-8"))
    if package.get("format") != "hagaki allocation package 1":
        raise Unreadable("package.json is not of the format this verifier reads")
    report = {"study": package["study"], "stage": package["stage"], "proved": True, "chain_checked": False}
    try:
        secret = check_secret(package)
        entries = None
        if (folder / "chain.jsonl").exists():
            entries = check_chain(folder, package)
            report["chain_checked"] = True
        report["recomputed"], report["given"] = check_journal(folder, package, secret, entries)
        if entries is not None and len(entries["allocations"]) != package["allocations"]:
            raise Differs(package["allocations"] + 1, "number", len(entries["allocations"]), package["allocations"])
    except Differs as difference:
        report = {"study": package["study"], "stage": package["stage"], "proved": False, **difference.report}
    return report


def in_words(report):
    if not report["proved"]:
        where = f"allocation {report['number']}" if report["number"] else "the package"
        return f"{where} differs: {report['what']}: expected {report['expected']}; found {report['found']}"
    chain = (
        "Each entry of the audit chain has the digest it must have and tells the same of each allocation. Whether the chain's head\n"
        "is the one you were mailed while the study ran, only you can tell: compare it."
        if report["chain_checked"]
        else "The package holds no audit chain: that the journal is the one that was written then was not checked."
    )
    return (
        f"{report['study']} ({report['stage']}): {report['recomputed']} allocations recomputed: every draw, count, probability, block and\n"
        f"arm follows from the secret, and SHA-256 of the secret is the digest in the package. Compare that digest with the one\n"
        f"you were given when the study was activated.\n"
        f"{report['given']} allocations were imported and are taken as given.\n{chain}\n"
        f"Not checked: caps, eligibility, kits, and whether levels were what the subjects really had."
    )


def main(words):
    as_json = "--json" in words
    folders = [word for word in words if word != "--json"]
    if len(folders) != 1 or folders[0].startswith("-"):
        print("usage: hagaki_verify.py PACKAGE [--json]", file=sys.stderr)
        return 2
    try:
        report = verify(Path(folders[0]))
    except (Unreadable, OSError, ValueError, KeyError, TypeError, StopIteration) as fault:
        print(f"the package cannot be read: {type(fault).__name__}: {fault}", file=sys.stderr)
        return 2
    print(json.dumps(report, ensure_ascii=False) if as_json else in_words(report))
    return 0 if report["proved"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
