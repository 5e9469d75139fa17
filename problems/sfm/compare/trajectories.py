#!/usr/bin/env python3
"""Absolute and relative trajectory errors by the package evo, beside those of `dro sfm eval`.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install evo
    /tmp/venv/bin/python problems/sfm/compare/trajectories.py OUT        # OUT: a folder that dro sfm eval wrote
"""

import json
import math
import sys
from pathlib import Path

from evo.core import metrics, sync
from evo.tools import file_interface


def rmse(metric, truth, estimate):
    metric.process_data((truth, estimate))
    return metric.get_statistic(metrics.StatisticsType.rmse)


def main():
    out = Path(sys.argv[1])
    print("| set | ATE, dro (m) | ATE, evo (m) | RPE, dro (m) | RPE, evo (m) | RPE, dro (°) | RPE, evo (°) |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for entry in json.loads((out / "summary.json").read_text())["sets"]:
        if not entry["ate"]:
            continue
        folder = out / entry["name"]
        read = file_interface.read_tum_trajectory_file
        truth, estimate = sync.associate_trajectories(
            read(folder / "groundtruth.tum.txt"), read(folder / "trajectory.tum.txt")
        )
        # What evo_ape and evo_rpe do with --align --correct_scale.
        estimate.align(truth, correct_scale=True)
        relation = metrics.PoseRelation
        ape = rmse(metrics.APE(relation.translation_part), truth, estimate)
        rpe = [
            rmse(metrics.RPE(kind, 1, metrics.Unit.frames), truth, estimate)
            for kind in (relation.translation_part, relation.rotation_angle_deg)
        ]
        degrees = math.degrees(entry["rpe"]["rotation_rmse_rad"])
        ours = [entry["ate"]["translation_rmse"], entry["rpe"]["translation_rmse"], degrees]
        pairs = [f"{x:.6f}" for both in zip(ours, [ape, *rpe]) for x in both]
        print(f"| {entry['name']} | " + " | ".join(pairs) + " |")


if __name__ == "__main__":
    main()
