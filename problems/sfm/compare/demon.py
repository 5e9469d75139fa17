#!/usr/bin/env python3
"""The errors of a DeMoN set by NumPy, from the files, beside those of `dro sfm eval`.

    dro sfm eval DEMON_TEST_SET --weights W --save-depth --out OUT
    /tmp/venv/bin/python problems/sfm/compare/demon.py OUT        # needs numpy

Definitions as in depthmotionnet/evaluation/metrics.py; prints both numbers and fails if they differ. Holds for answers within the
solver's range of depths (docs/evaluation.md says what happens beyond).
"""

import csv
import math
import sys
from pathlib import Path

import numpy as np

NAMES = ["demon_l1_inv", "demon_sc_inv", "demon_l1_rel", "abs_rel", "rotation_deg", "translation_deg"]


def resized(map_, height, width):
    """Bilinear with aligned corners."""
    rows, columns = np.linspace(0, map_.shape[0] - 1, height), np.linspace(0, map_.shape[1] - 1, width)
    top, left = np.minimum(rows.astype(int), map_.shape[0] - 2), np.minimum(columns.astype(int), map_.shape[1] - 2)
    b, a = (rows - top)[:, None], (columns - left)[None]
    at = lambda i, j: map_[top + i][:, left + j]
    return (at(0, 0) * (1 - a) + at(0, 1) * a) * (1 - b) + (at(1, 0) * (1 - a) + at(1, 1) * a) * b


def angle(a, b):
    return math.degrees(math.atan2(np.linalg.norm(np.cross(a, b)), a @ b))


def errors(out, row):
    folder = Path(row["image"]).parent
    found = np.array(row["found_pose"].split(), np.float64).reshape(3, 4)
    first, second = (np.vstack([p.reshape(3, 4), [0, 0, 0, 1]]) for p in np.loadtxt(folder / "poses.txt"))
    true = second @ np.linalg.inv(first)
    truth = np.load(folder / "0000.npz")["depth"].astype(np.float64)
    depth = np.load(out / row["set"] / "depth" / f"{row['name']}.npy").astype(np.float64)
    depth = resized(depth, *truth.shape)
    valid = np.isfinite(truth) & np.isfinite(depth) & (np.nan_to_num(truth) > 0) & (depth > 0)
    d, t = depth[valid], truth[valid]
    z, g = d / np.linalg.norm(found[:, 3]), t / np.linalg.norm(true[:3, 3])
    log = np.log(z) - np.log(g)
    scaled = d * np.sort(t / d)[(len(d) - 1) // 2]
    turn = true[:3, :3].T @ found[:, :3]
    sine = np.linalg.norm([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
    return [
        np.abs(1 / z - 1 / g).mean(),
        math.sqrt((log**2).mean() - log.mean() ** 2),
        (np.abs(z - g) / g).mean(),
        (np.abs(scaled - t) / t).mean(),
        math.degrees(math.atan2(sine, (np.trace(turn) - 1) / 2)),
        angle(found[:, 3], true[:3, 3]),
    ]


def main():
    out, worst = Path(sys.argv[1]), 0.0
    read = lambda name: csv.DictReader(open(out / name, newline="", encoding="utf-8"))
    ours = {(row["set"], row["name"]): row for row in read("images.csv")}
    print("| pair | " + " | ".join(f"{name}: dro, NumPy" for name in NAMES) + " |")
    print("| --- |" + " --- |" * len(NAMES))
    for row in read("pairs.csv"):
        if not row["subset"]:
            continue
        both = [(float(ours[row["set"], row["name"]][n]), x) for n, x in zip(NAMES, errors(out, row))]
        worst = max([worst] + [abs(a - b) / max(abs(b), 1e-3) for a, b in both])
        print(f"| {row['name']} | " + " | ".join(f"{a:.5f}, {b:.5f}" for a, b in both) + " |")
    print(f"largest relative difference: {worst:.1e}")
    sys.exit(worst > 1e-3)


if __name__ == "__main__":
    main()
