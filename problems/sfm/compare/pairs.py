#!/usr/bin/env python3
"""Pairs of views with wide baselines, in DeMoN's layout, from the recorded sequences of a folder.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install opencv-python-headless numpy
    /tmp/venv/bin/python problems/sfm/compare/pairs.py DATA OUT  # OUT: for dro sfm eval

Of each sequence up to 8 pairs (--most), spread over baselines of 6 to 60 % of the median depth, where the second image sees at least
half (--seen) of what the first one does and is at most 14 frames away (--apart). The same numbers give the same pairs.
"""

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np

SETS = [
    ("rgbd_fr1", "tum_fr1_xyz", "tum"),
    ("rgbd_fr3", "tum_fr3_structure_notexture_far", "frames"),
    ("sun3d_7s", "sevenscenes_redkitchen", "seven"),
    ("sun3d_red", "redwood_livingroom1", "frames"),
    ("mvs_tart", "tartanair_hospital", "frames"),
    ("mvs_icl", "iclnuim_office_kt0", "frames"),
]


def matrix(fx, fy, cx, cy):
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])


def frames(folder):
    """Image, depth in metres, camera matrix, camera to world."""
    for row in csv.DictReader(open(folder / "frames.csv")):
        pose = np.eye(4)
        pose[:3] = np.array([float(v) for k, v in row.items() if k.startswith("c2w")]).reshape(3, 4)
        depth = cv2.imread(str(folder / row["depth"]), -1).astype(np.float32) / float(row["depth_scale"])
        k = matrix(*(float(row[name]) for name in ("fx", "fy", "cx", "cy")))
        yield cv2.imread(str(folder / row["rgb"])), depth, k, pose


def seven(folder):
    """7-Scenes: depth of a camera of its own, brought to the colour camera."""
    for pose in sorted((folder / "seq-01").glob("*.pose.txt")):
        stem = str(pose)[: -len(".pose.txt")]
        raw = cv2.imread(stem + ".depth.png", -1)
        z = np.where(raw == 65535, 0, raw).astype(np.float32) / 1000
        v, u = np.mgrid[0:480, 0:640].astype(np.float32)
        known = z > 0
        x, y, z = ((u - 320) * z / 585 + 0.025)[known], ((v - 240) * z / 585)[known], z[known]
        u, v = np.round(525 * x / z + 320).astype(int), np.round(525 * y / z + 240).astype(int)
        inside = (u >= 0) & (u < 640) & (v >= 0) & (v < 480)
        depth = np.full((480, 640), np.inf, np.float32)
        np.minimum.at(depth, (v[inside], u[inside]), z[inside])
        depth[np.isinf(depth)] = 0
        yield cv2.imread(stem + ".color.jpg"), depth, matrix(525, 525, 320, 240), np.loadtxt(pose)


def tum(folder):
    """TUM RGB-D freiburg1: lists joined by time, distortion removed."""

    def listed(name):
        lines = [line.split() for line in open(folder / name) if line.strip() and line[0] != "#"]
        return [(float(line[0]), line[1:]) for line in lines]

    depths, poses = listed("depth.txt"), listed("groundtruth.txt")
    k = matrix(517.306, 516.469, 318.643, 255.314)
    lens = np.array([0.262383, -0.953104, -0.005358, 0.002628, 1.163314])
    maps = cv2.initUndistortRectifyMap(k, lens, None, k, (640, 480), cv2.CV_32FC1)
    for time, (name,) in listed("rgb.txt"):
        at, (depth_name,) = min(depths, key=lambda row: abs(row[0] - time))
        seen, values = min(poses, key=lambda row: abs(row[0] - time))
        if abs(at - time) > 0.03 or abs(seen - time) > 0.03:
            continue
        tx, ty, tz, x, y, z, w = map(float, values)
        pose = np.eye(4)
        pose[:3, :3] = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
        pose[:3, 3] = tx, ty, tz
        depth = cv2.imread(str(folder / depth_name), -1).astype(np.float32) / 5000
        image = cv2.remap(cv2.imread(str(folder / name)), *maps, cv2.INTER_LINEAR)
        yield image, cv2.remap(depth, *maps, cv2.INTER_NEAREST), k, pose


def seen_and_baseline(a, b):
    """Part of a's points that b sees, and the translation over a's median depth."""
    z = a[1][::8, ::8]
    v, u = np.mgrid[0:480:8, 0:640:8]
    known = z > 0
    if known.sum() < 100:
        return 0, 0
    points = np.linalg.inv(a[2]) @ np.stack([u[known], v[known], np.ones(known.sum())]) * z[known]
    move = np.linalg.inv(b[3]) @ a[3]
    there = b[2] @ (move[:3, :3] @ points + move[:3, 3:])
    at = there[:2] / there[2]
    inside = (there[2] > 0) & (at[0] >= 0) & (at[0] < 639.5) & (at[1] >= 0) & (at[1] < 479.5)
    row, column = (np.clip(np.round(at[i]).astype(int), 0, most) for i, most in ((1, 479), (0, 639)))
    depth = b[1][row, column]
    visible = inside & ((depth == 0) | (np.abs(depth - there[2]) < 0.06 * there[2]))
    return visible.sum() / known.sum(), np.linalg.norm(move[:3, 3]) / np.median(z[known])


def write(folder, a, b):
    folder.mkdir(parents=True)
    for i, view in enumerate((a, b)):
        cv2.imwrite(str(folder / f"000{i}.png"), view[0])
    rows = np.array([np.linalg.inv(view[3])[:3].ravel() for view in (a, b)])
    np.savetxt(folder / "poses.txt", rows, fmt="%.9f")
    np.savetxt(folder / "cam.txt", a[2])
    np.savez_compressed(folder / "0000.npz", depth=a[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--most", type=int, default=8, help="pairs of a sequence")
    parser.add_argument("--apart", type=int, default=14, help="frames between two views")
    parser.add_argument("--seen", type=float, default=0.5, help="part that the second image sees")
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    for name, folder, reader in SETS:
        views = list({"frames": frames, "seven": seven, "tum": tum}[reader](args.data / folder))
        found = []
        for i, a in enumerate(views):
            for j, b in enumerate(views):
                if 0 < abs(i - j) <= args.apart:
                    seen, baseline = seen_and_baseline(a, b)
                    if seen > args.seen and 0.06 < baseline < 0.6:
                        found.append((baseline, i, j))
        found.sort()
        count = min(args.most, len({i for _, i, _ in found}))
        for n in range(count):
            part = found[n * len(found) // count : (n + 1) * len(found) // count]
            baseline, i, j = part[rng.integers(len(part))]
            print(f"{name}_{n:05d}: frames {i} and {j}, baseline {baseline:.2f} of the depth")
            write(args.out / f"{name}_{n:05d}", views[i], views[j])


if __name__ == "__main__":
    main()
