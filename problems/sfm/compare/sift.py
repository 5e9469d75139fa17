#!/usr/bin/env python3
"""Relative poses by SIFT and five points, on the pairs that `dro sfm eval` judged, beside its own.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install opencv-python-headless numpy
    /tmp/venv/bin/python problems/sfm/compare/sift.py OUT        # OUT: a folder that dro sfm eval wrote

Per pair: SIFT at the images' full size, nearest neighbours both ways with Lowe's ratio 0.8, lens distortion removed from the
points, the essential matrix by Nistér's five points in RANSAC (1 pixel), the pose by the points in front of both cameras. A pair
with fewer than 8 matches, or none in front, is a failure and gets the identity and 90 degrees; its number is printed.
"""

import argparse
import csv
import math
from pathlib import Path

import cv2
import numpy as np


def camera(row):
    k = np.array([[float(row["fx"]), 0, float(row["cx"])], [0, float(row["fy"]), float(row["cy"])], [0, 0, 1]])
    return k, np.array([float(row[name]) for name in ("k1", "k2", "p1", "p2", "k3")])


class Features:
    def __init__(self, most):
        self.sift, self.known = cv2.SIFT_create(most), {}

    def of(self, path):
        if path not in self.known:
            image = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
            if image is None:
                raise SystemExit(f"{path}: expected an image that OpenCV reads")
            points, descriptors = self.sift.detectAndCompute(image, None)
            self.known[path] = np.array([p.pt for p in points], np.float64).reshape(-1, 2), descriptors
        return self.known[path]


def matches(a, b, ratio):
    """Index pairs that are each other's best and clearly better than the second best."""
    if a is None or b is None or min(len(a), len(b)) < 2:
        return []
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    good = lambda x, y: {m.queryIdx: m.trainIdx for m, n in matcher.knnMatch(x, y, k=2) if m.distance < ratio * n.distance}
    there, back = good(a, b), good(b, a)
    return [(i, j) for i, j in there.items() if back.get(j) == i]


def pose(row, features, options):
    """neighbour_from_target: a rotation and a direction; None where it cannot be told."""
    (p, d), (q, e) = features.of(row["image"]), features.of(row["neighbour"])
    found = matches(d, e, options.ratio)
    if len(found) < 8:
        return None
    k, lens = camera(row)
    first, second = (
        cv2.undistortPoints(points[[pair[side] for pair in found]].reshape(-1, 1, 2), k, lens)
        for side, points in ((0, p), (1, q))
    )
    pixel = options.threshold / (0.5 * (k[0, 0] + k[1, 1]))
    cv2.setRNGSeed(0)
    essential, inliers = cv2.findEssentialMat(first, second, np.eye(3), cv2.RANSAC, 0.9999, pixel, 5000)
    if essential is None or essential.shape[0] < 3:
        return None
    front, rotation, direction, _ = cv2.recoverPose(essential[:3], first, second, np.eye(3), mask=inliers)
    return (rotation, direction.ravel()) if front > 0 else None


def angles(found, true):
    """Degrees between rotations and between directions of translation; the latter up to nothing."""
    rotation, direction = found if found is not None else (np.eye(3), None)
    turn = math.degrees(np.linalg.norm(cv2.Rodrigues(rotation.T @ true[:, :3])[0]))
    if direction is None or np.linalg.norm(true[:, 3]) == 0:
        return turn, 90.0
    a, b = direction / np.linalg.norm(direction), true[:, 3] / np.linalg.norm(true[:, 3])
    return turn, math.degrees(math.atan2(np.linalg.norm(np.cross(a, b)), a @ b))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--ratio", type=float, default=0.8)
    parser.add_argument("--threshold", type=float, default=1.0, help="pixels")
    parser.add_argument("--features", type=int, default=0, help="at most so many per image; 0: all")
    options = parser.parse_args()
    features, sets = Features(options.features), {}
    with open(options.out / "pairs.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not row["true_pose"]:
                continue
            true = np.array(row["true_pose"].split(), np.float64).reshape(3, 4)
            found = pose(row, features, options)
            ours = [float(row[name]) if row[name] else math.nan for name in ("rotation_deg", "translation_deg")]
            name = row["set"] + (f": {row['subset']}" if row["subset"] else "")
            sets.setdefault(name, []).append((*ours, *angles(found, true), found is None))
            # Pairs of one set share images; sets do not.
            if len(features.known) > 64:
                features.known.clear()
    print("| set | pairs | rotation, dro (°) | rotation, SIFT (°) | translation, dro (°) | translation, SIFT (°) | SIFT failed |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, rows in sets.items():
        table = np.array(rows, np.float64)
        for kind, mean in (("mean", np.nanmean), ("median", np.nanmedian)):
            a, b, c, d = (mean(table[:, i]) for i in range(4))
            failed = int(table[:, 4].sum())
            print(f"| {name}, {kind} | {len(rows)} | {a:.3f} | {c:.3f} | {b:.3f} | {d:.3f} | {failed} |")


if __name__ == "__main__":
    main()
