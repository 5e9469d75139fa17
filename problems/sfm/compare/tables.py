"""Runs both sides alternately, each measurement in a process of its own, and prints Markdown. Started by run.sh.

A ratio is the median over rounds of (this library / PyTorch) within one round, so that a slow minute of the machine
slows both.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent

# What `dro sfm train` sets for itself (crates/dro-cli/src/threads.rs).
TRAINING = {
    "CANDLE_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
}


class Sides:
    def __init__(self, args):
        self.measure, self.threads = args.measure, args.threads

    def _run(self, command, threads, **more):
        env = {k: v for k, v in os.environ.items() if k != "RUST_BACKTRACE"}
        env.update(RAYON_NUM_THREADS=str(threads), OMP_NUM_THREADS=str(threads), **more)
        done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def torch(self, *words, repeats=1, threads=None):
        threads = threads or self.threads
        options = ["--repeats", repeats, "--threads", threads]
        return self._run([sys.executable, HERE / "pytorch.py", *words, *options], threads)

    def ours(self, *words, repeats=1, threads=None, **more):
        return self._run([self.measure, *words, repeats], threads or self.threads, **more)

    def both(self, rounds, *words, repeats, **ours):
        """One pair of results per round."""
        return [
            (self.ours(*words, repeats=repeats, **ours), self.torch(*words, repeats=repeats)) for _ in range(rounds)
        ]


def table(head, rows):
    print("| " + " | ".join(head) + " |")
    print("| " + " | ".join(["---"] * len(head)) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def median(values):
    return statistics.median(values)


def compared(what, pairs, key, unit, digits, target):
    ours, torch = (median(pair[side][key] for pair in pairs) for side in (0, 1))
    ratio = median(pair[0][key] / pair[1][key] for pair in pairs)
    return [what, f"{ours:.{digits}f} {unit}", f"{torch:.{digits}f} {unit}", f"{ratio:.2f}", target]


def ratios(sides, args):
    print("### Against PyTorch\n")
    rows = []
    kitti = sides.both(args.rounds, "forward", "320x960", 1, 3, 4, repeats=2)
    rows.append(compared("forward, 320x960, 1 neighbour, m = 3, n = 4", kitti, "median_s", "s", 2, "0.35"))
    rows.append(compared("the same, peak memory of the process", kitti, "peak_mb", "MB", 0, "0.45"))
    two = sides.both(args.rounds, "forward", "320x512", 2, 3, 4, repeats=2)
    rows.append(compared("forward, 320x512, 2 neighbours", two, "median_s", "s", 2, "0.35"))
    longer = sides.both(args.rounds, "forward", "320x960", 1, 6, 4, repeats=2)
    marginal = [
        tuple({"s": (b[side]["median_s"] - a[side]["median_s"]) / 12} for side in (0, 1))
        for a, b in zip(kitti, longer)
    ]
    rows.append(compared("one more update of depth and pose, 320x960", marginal, "s", "s", 3, "0.35"))
    for shards in (1, 2):
        step = sides.both(args.rounds, "train", "128x160", 1, 2, repeats=4, DRO_SHARDS=str(shards), **TRAINING)
        what = f"training step, batch 2 in {shards} shard{'s' * (shards > 1)}, 128x160"
        rows.append(compared(what, step, "median_s", "s", 2, "0.6"))
        rows.append(compared("the same, peak memory of the process", step, "peak_mb", "MB", 0, "0.7"))
    table(["what", "ours", "PyTorch", "ratio", "target"], rows)
    before = median(pair[1]["before_mb"] for pair in kitti)
    print(f"PyTorch's process holds {before:.0f} MB before its first forward.\n")


def layers(sides, args):
    print("### Layers, one thread, GFLOP/s of the direct algorithm's operations\n")
    sides_of = [
        sides.ours("layers", "320x960", repeats=args.layer_repeats, threads=1),
        sides.ours("layers", "320x960", repeats=3, threads=1, DRO_KERNELS="reference"),
        sides.torch("layers", "320x960", repeats=args.layer_repeats, threads=1),
    ]
    rows = [
        [found[0]["name"], *(f"{side['gflops']:.0f}" for side in found)]
        for found in zip(*(side["layers"] for side in sides_of))
    ]
    table(["layer, image 320x960", "ours", "candle", "PyTorch"], rows)


def updates(sides, args):
    print("### Over the number of updates, 320x960, 1 neighbour\n")
    rows = []
    for stages, inner in ((0, 4), (1, 4), (2, 4), (3, 4), (4, 4), (6, 4)):
        found = [sides.ours("forward", "320x960", 1, stages, inner) for _ in range(args.rounds)]
        seconds, memory = (median(f[key] for f in found) for key in ("median_s", "peak_mb"))
        rows.append([str(stages * inner), f"{seconds:.2f} s", f"{memory:.0f} MB"])
    table(["updates of each block", "time", "peak memory"], rows)


def sizes(sides, args):
    print("### Over the image size, 1 neighbour, m = 3, n = 4\n")
    rows = []
    for height, width in ((128, 160), (240, 320), (320, 512), (320, 960), (480, 960)):
        found = [sides.ours("forward", f"{height}x{width}", 1, 3, 4) for _ in range(args.rounds)]
        seconds, memory = (median(f[key] for f in found) for key in ("median_s", "peak_mb"))
        per_pixel = 1e6 * seconds / (height * width)
        rows.append([f"{height}x{width}", f"{seconds:.2f} s", f"{per_pixel:.1f} µs", f"{memory:.0f} MB"])
    table(["size", "time", "per pixel", "peak memory"], rows)


def threads(sides, args):
    print("### Threads, forward at 320x960\n")
    rows = []
    for name, run in (("ours", sides.ours), ("PyTorch", sides.torch)):
        pairs = [
            [run("forward", "320x960", 1, 3, 4, threads=n)["median_s"] for n in (1, 2)]
            for _ in range(args.rounds)
        ]
        one, two = (median(pair[i] for pair in pairs) for i in (0, 1))
        rows.append([name, f"{one:.2f} s", f"{two:.2f} s", f"{median(a / b for a, b in pairs):.2f}"])
    table(["", "1 thread", "2 threads", "speed-up"], rows)


def machine():
    name = platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].split(":")[1].strip() if lines else name
    return f"{os.cpu_count()} cores, {name}"


TABLES = {"ratios": ratios, "layers": layers, "updates": updates, "sizes": sizes, "threads": threads}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--measure", required=True)
    parser.add_argument("--golden", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layer-repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=TABLES, nargs="*", default=list(TABLES))
    args = parser.parse_args()
    sides = Sides(args)
    checked = sides.torch("check", args.golden)
    worst = max(checked["errors"].values())
    print(f"Machine: {machine()}; {args.threads} threads unless said otherwise; PyTorch {checked['torch']}.")
    print(f"PyTorch's network is the published one: worst error against the golden vectors {worst:.0e}.\n")
    for name in args.only:
        TABLES[name](sides, args)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
