#!/usr/bin/env python3
"""Simulates the same trials with `hagaki allocation simulate` and with the package smallerize; README.md tells how and why.

    minimization.py --hagaki PATH [--subjects 500] [--trials 1000] [--peer-trials 100]

Times are processor seconds, which other work on the machine hardly changes.
"""

import argparse
import io
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from pathlib import Path

try:
    from smallerize import Arm, Factor, Minimizer
except ImportError:
    sys.exit("smallerize is not installed for this Python; README.md says how")

LEVELS = {"site": 10, "sex": 2, "age": 3, "stage": 2}

RULES = {
    (1, 1): ("best", {"probability_method": "best_only"}),
    (1, 2): ("ratio-coin", {"probability_method": "biased_coin"}),
}


def ours(hagaki, ratios, subjects, trials):
    """Seconds and figures (mean, standard deviation over trials) of `hagaki allocation simulate`."""
    arms = ", ".join(f'{{ code = "{code}", ratio = {ratio} }}' for code, ratio in zip("AB", ratios))
    factors = ", ".join(f'{{ id = "{name}", levels = {json.dumps(levels(name))} }}' for name in LEVELS)
    rule = RULES[ratios][0]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "allocation.toml"
        file.write_text(
            f'method = "minimization"\narms = [{arms}]\nfactors = [{factors}]\n'
            f'[minimization]\ndistance = "range"\nrule = "{rule}"\np = "4/5"\n'
        )
        command = [hagaki, "allocation", "simulate", "--file", file, "--subjects", str(subjects)]
        command += ["--trials", str(trials), "--seed", "compare", "--cores", "1", "--json"]
        begun = spent_by_children()
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds = spent_by_children() - begun
    report = json.loads(done.stdout)
    return seconds, {
        "subjects of A": (report["arm_counts_mean"][0], report["arm_counts_sd"][0]),
        "|A - B|": (report["difference"]["mean_abs"], None),
        **{f"imbalance within {name}": (report["level_imbalance"][name]["mean_abs"], None) for name in LEVELS},
    }


def spent_by_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def levels(name):
    return [str(level) for level in range(1, LEVELS[name] + 1)]


def theirs(ratios, subjects, trials):
    """Seconds and figures of smallerize; only its decisions are timed."""
    factors = [Factor(name, levels(name)) for name in LEVELS]
    seconds, first, apart = 0.0, [], []
    within = {name: [] for name in LEVELS}
    random.seed("compare")
    for _ in range(trials):
        people = [{name: random.choice(levels(name)) for name in LEVELS} for _ in range(subjects)]
        with redirect_stdout(io.StringIO()):
            arms = [Arm(code, ratio) for code, ratio in zip("AB", ratios)]
            minimizer = Minimizer(factors, arms, d_imbalance_method="range", preferred_p=0.8, **RULES[ratios][1])
        begun = time.process_time()
        given = [minimizer.assign_participant(person) for person in people]
        seconds += time.process_time() - begun
        counts = [given.count(code) for code in "AB"]
        first.append(counts[0])
        apart.append(abs(counts[0] - counts[1]))
        for name in LEVELS:
            own = [[arm for arm, person in zip(given, people) if person[name] == level] for level in levels(name)]
            apart_within = [abs(arms.count("A") / ratios[0] - arms.count("B") / ratios[1]) for arms in own]
            within[name].append(statistics.mean(apart_within))
    return seconds, {
        "subjects of A": (statistics.mean(first), statistics.stdev(first)),
        "|A - B|": (statistics.mean(apart), statistics.stdev(apart)),
        **{f"imbalance within {name}": (statistics.mean(own), statistics.stdev(own)) for name, own in within.items()},
    }


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--hagaki", required=True, help="the program, built with --release")
    words.add_argument("--subjects", type=int, default=500)
    words.add_argument("--trials", type=int, default=1000)
    words.add_argument("--peer-trials", type=int, default=100)
    given = words.parse_args()
    for ratios, (rule, _) in RULES.items():
        own_seconds, own = ours(given.hagaki, ratios, given.subjects, given.trials)
        peer_seconds, peer = theirs(ratios, given.subjects, given.peer_trials)
        own_each = own_seconds / (given.trials * given.subjects)
        peer_each = peer_seconds / (given.peer_trials * given.subjects)
        print(f"ratio {ratios[0]}:{ratios[1]}, {rule}: {given.subjects} subjects a trial")
        print(f"  hagaki      {given.trials:6} trials {own_seconds:8.2f} s  {own_each * 1e6:9.3f} us an allocation")
        print(f"  smallerize  {given.peer_trials:6} trials {peer_seconds:8.2f} s  {peer_each * 1e6:9.3f} us an allocation")
        print(f"  ratio of the times {peer_each / own_each:.0f}")
        for name, (mean, sd) in own.items():
            other, other_sd = peer[name]
            # Where only one spread is known, both are taken to have it.
            error = ((sd or other_sd) ** 2 / given.trials + other_sd**2 / given.peer_trials) ** 0.5
            print(f"  {name:26} {mean:9.3f} {other:9.3f}   apart by {abs(mean - other) / error:.1f} standard errors")
        print()


if __name__ == "__main__":
    main()
