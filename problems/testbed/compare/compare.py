"""Runs Python optimizers on the instances of `dro bench testbed`, and prints the same tables.

    dro bench testbed --repeats 30 --export-instances instances.json
    python compare.py instances.json --out peers.csv

See README.md for the environment. Every run has a seed of its own; the same command prints the same numbers.
"""

import argparse
import csv
import json
import math
import multiprocessing
import statistics
import warnings

import numpy as np

# Student's t, 97.5 %, for the intervals.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 19: 2.093, 29: 2.045, 49: 2.010, 99: 1.984}
TARGETS = [10 ** (2 - i / 5) for i in range(51)]
BUDGETS = (10, 50, 100)

HARTMANN3 = (
    np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]),
    np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]) / 1e4,
)
HARTMANN6 = (
    np.array([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]),
    np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    / 1e4,
)


def branin(v):
    x, y = 15 * v[0] - 5, 15 * v[1]
    square = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
    return (square + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) - 44.81) / 51.95


def goldstein_price(v):
    x, y = 4 * v[0] - 2, 4 * v[1] - 2
    a = 1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x * x - 14 * y + 6 * x * y + 3 * y * y)
    b = 30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x * x + 48 * y - 36 * x * y + 27 * y * y)
    return (math.log(a * b) - 8.693) / 2.427


def hartmann(v, bumps):
    a, p = bumps
    return -float(np.exp(-(a * (np.asarray(v) - p) ** 2).sum(1)) @ [1.0, 1.2, 3.0, 3.2])


FORMULAS = {
    "branin-rescaled": branin,
    "goldstein-price-rescaled": goldstein_price,
    "hartmann3": lambda v: hartmann(v, HARTMANN3),
    "hartmann6": lambda v: hartmann(v, HARTMANN6),
}


def chen(function, placement):
    """The instance on the unit box."""
    formula, scale = FORMULAS[function], placement["scale"]
    parts = list(zip(placement["shift"], placement["flip"], placement["axes"]))
    return lambda u: formula([0.5 + shift + scale * flip * (u[axis] - 0.5) for shift, flip, axis in parts])


def bbob(function, dimension, instance):
    """The gap to the optimum on the unit box."""
    import cocoex

    suite = cocoex.Suite("bbob", f"instances:{instance}", f"dimensions:{dimension}")
    problem = suite.get_problem_by_function_dimension_instance(function, dimension, instance)
    keep = suite  # The problem lives as long as its suite.
    lowest = optimum(problem)
    return lambda u: (keep, problem(10 * np.asarray(u) - 5))[1] - lowest


def optimum(problem):
    """The lowest value: where COCO says that it is."""
    import os
    import tempfile

    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            problem._best_parameter("print")
            with open("._bbob_problem_best_parameter.txt", encoding="ascii") as file:
                best = [float(word) for word in file.read().split()]
        finally:
            os.chdir(before)
    return problem(best)


class Spent(Exception):
    """The evaluations are used up."""


def counted(f, budget, values):
    def call(u):
        if len(values) >= budget:
            raise Spent
        values.append(float(f(np.clip(u, 0, 1))))
        return values[-1]

    return call


def run_random(f, dim, budget, seed):
    rng = np.random.default_rng(seed)
    for _ in range(budget):
        f(rng.random(dim))


def run_optuna(f, dim, budget, seed):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(lambda t: f([t.suggest_float(f"x{i}", 0, 1) for i in range(dim)]), n_trials=budget)


def run_hyperopt(f, dim, budget, seed):
    import hyperopt

    space = [hyperopt.hp.uniform(f"x{i}", 0, 1) for i in range(dim)]
    hyperopt.fmin(
        f, space, algo=hyperopt.tpe.suggest, max_evals=budget, rstate=np.random.default_rng(seed), show_progressbar=False
    )


def run_nevergrad(f, dim, budget, seed):
    import nevergrad

    space = nevergrad.p.Array(init=np.full(dim, 0.5), lower=0.0, upper=1.0)
    space.random_state.seed(seed)
    nevergrad.optimizers.NGOpt(parametrization=space, budget=budget).minimize(f)


def run_pycma(f, dim, budget, seed):
    import cma

    while True:
        # A run that stops by itself is started again from elsewhere, as COCO's own experiments do.
        rng = np.random.default_rng(seed)
        options = {"bounds": [0, 1], "seed": seed + 1, "verbose": -9, "maxfevals": budget}
        cma.fmin2(f, rng.random(dim), 0.3, options)
        seed += 100_000


METHODS = {
    "random": run_random,
    "pycma": run_pycma,
    "hyperopt-tpe": run_hyperopt,
    "optuna-tpe": run_optuna,
    "nevergrad-ngopt": run_nevergrad,
}


def search(task):
    """One run: the lowest value after each evaluation."""
    warnings.filterwarnings("ignore")
    method, problem, dim, budget, seed = task
    f = chen(*problem[1:]) if problem[0] == "chen" else bbob(*problem[1:])
    values = []
    try:
        METHODS[method](counted(f, budget, values), dim, budget, seed)
    except Spent:
        pass
    best = np.minimum.accumulate(values)
    # A method that stops early keeps what it has.
    return np.concatenate([best, np.full(budget - len(best), best[-1])])


def mean(numbers):
    numbers = list(numbers)
    n = len(numbers)
    t = STUDENT.get(n - 1, 1.96)
    return statistics.fmean(numbers), t * statistics.stdev(numbers) / math.sqrt(n) if n > 1 else math.nan


def run_chen(data, methods, pool, rows):
    functions, budget = data["chen"]["functions"], data["chen"]["evaluations"]
    names = [f["name"] for f in functions]
    count = len(functions[0]["instances"])
    print(f"Mean of the lowest value after {budget} evaluations, {count} instances, with its 95 % interval.\n")
    print("| |", " | ".join(names), "|\n| --- |", " | ".join(["---:"] * len(names)), "|")
    for method in methods:
        cells = []
        for f in functions:
            tasks = [
                (method, ("chen", f["function"], placement), f["dimension"], budget, i)
                for i, placement in enumerate(f["instances"])
            ]
            curves = pool.map(search, tasks, chunksize=1)
            average, half = mean(curve[-1] for curve in curves)
            cells.append(f"{average:.3f} ± {half:.3f}")
            for i, curve in enumerate(curves):
                rows.append(["chen", f["name"], f["dimension"], i, method, curve[-1]])
        print(f"| {method} |", " | ".join(cells), "|", flush=True)
    print("| optimum |", " | ".join(f"{f['optimum']:.3f}" for f in functions), "|\n")


def run_bbob(data, methods, pool, rows):
    dims, instances = data["bbob"]["dimensions"], data["bbob"]["instances"]
    columns = [(dim, budget) for dim in dims for budget in BUDGETS]
    print(f"Share of the (function, target) pairs reached, in percent, 24 functions, {instances} instances.\n")
    print("| |", " | ".join(f"{d}-D, {b}·D" for d, b in columns), "|\n| --- |", " | ".join(["---:"] * len(columns)), "|")
    for method in methods:
        cells = []
        for dim in dims:
            tasks = [
                (method, ("bbob", function, dim, instance), dim, max(BUDGETS) * dim, 1000 * function + instance)
                for instance in range(1, instances + 1)
                for function in range(1, 25)
            ]
            gaps = np.array(pool.map(search, tasks, chunksize=1)).reshape(instances, 24, -1)
            for i, f in np.ndindex(gaps.shape[:2]):
                rows.append(["bbob", f"f{f + 1}", dim, i + 1, method, gaps[i, f, -1]])
            for budget in BUDGETS:
                reached = (gaps[:, :, budget * dim - 1, None] <= np.array(TARGETS)).mean(axis=(1, 2))
                average, half = mean(100 * reached)
                cells.append(f"{average:.1f} ± {half:.1f}")
        print(f"| {method} |", " | ".join(cells), "|", flush=True)
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("instances", help="what dro bench testbed --export-instances wrote")
    parser.add_argument("--suite", choices=["chen", "bbob", "all"], default="all")
    parser.add_argument("--methods", default=",".join(METHODS), help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", help="the last value of every run, as CSV")
    arguments = parser.parse_args()
    with open(arguments.instances, encoding="utf-8") as file:
        data = json.load(file)
    for f in data["chen"]["functions"]:
        for placement, expected in zip(f["instances"], f["values_at_0.3"]):
            found = chen(f["function"], placement)([0.3] * f["dimension"])
            assert abs(found - expected) < 1e-9, (f["name"], placement, found, expected)
    rows = []
    methods = arguments.methods.split(",")
    with multiprocessing.Pool(arguments.jobs) as pool:
        if arguments.suite in ("chen", "all"):
            run_chen(data, methods, pool, rows)
        if arguments.suite in ("bbob", "all"):
            run_bbob(data, methods, pool, rows)
    if arguments.out:
        with open(arguments.out, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["suite", "function", "dimension", "instance", "method", "last"])
            writer.writerows(rows)


if __name__ == "__main__":
    main()
