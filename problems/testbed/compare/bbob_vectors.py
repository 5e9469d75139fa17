"""Prints reference values of the 24 noiseless BBOB functions, as COCO itself computes them.

    python bbob_vectors.py > ../tests/data/bbob.csv

Needs `coco-experiment` (see README.md here). Each line: function, dimension, instance, value, then the point.
Points are rounded to few digits, so that the file holds exactly what was evaluated. The last point of each problem is close to
the optimum, where the last terms of the sums show; one point is outside of the box, where penalties show.
"""

import os
import random
import tempfile

import cocoex

DIMENSIONS = (2, 5, 10)
INSTANCES = (1, 2, 3, 8, 71)


def optimum(problem):
    """Where COCO says that the lowest value is; it writes this into a file of the current folder."""
    problem._best_parameter("print")
    with open("._bbob_problem_best_parameter.txt", encoding="ascii") as file:
        return [float(word) for word in file.read().split()]


def main():
    instances = ",".join(map(str, INSTANCES))
    dimensions = ",".join(map(str, DIMENSIONS))
    suite = cocoex.Suite("bbob", f"instances:{instances}", f"dimensions:{dimensions}")
    rng = random.Random(20240229)
    print("function,dimension,instance,value,point")
    for function in range(1, 25):
        for dimension in DIMENSIONS:
            for instance in INSTANCES:
                problem = suite.get_problem_by_function_dimension_instance(function, dimension, instance)
                best = optimum(problem)
                points = [
                    [round(rng.uniform(-5, 5), 2) for _ in range(dimension)],
                    [round(rng.uniform(-7, 7), 1) for _ in range(dimension)],
                    [round(x + rng.uniform(-0.1, 0.1), 3) for x in best],
                ]
                for point in points:
                    value = float(problem(point))
                    print(function, dimension, instance, repr(value), " ".join(map(repr, point)), sep=",")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        # COCO writes the optimum's place into the current folder.
        os.chdir(folder)
        main()
