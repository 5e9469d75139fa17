#!/usr/bin/env python3
"""Timings of scripts/gpu-check as Markdown: this library beside PyTorch, eager and compiled, alternately, on one device.

Each measurement is a process of its own. A ratio is the median over rounds of ours / theirs within one round. Memory is
what the card's driver reports for the whole card while the process runs, less what it reported before: the same for all.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading

PYTORCH = pathlib.Path(__file__).resolve().parent.parent / "problems" / "sfm" / "compare" / "pytorch.py"


def used_mb(device):
    if not device.startswith("cuda"):
        return 0.0
    query = ["nvidia-smi", f"--id={device.split(':')[1]}", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return float(subprocess.run(query, capture_output=True, text=True, check=True).stdout)


class Peak:
    """The most memory that the card had in use while it was watched."""

    def __init__(self, device):
        self.device, self.before = device, used_mb(device)
        self.most, self.done = self.before, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self.done.wait(0.05):
            self.most = max(self.most, used_mb(self.device))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def mb(self):
        return self.most - self.before


class Sides:
    def __init__(self, args):
        self.args = args
        checked = self._run([sys.executable, PYTORCH, "check", args.golden, "--device", args.device])
        self.no_torch = checked.get("failed")
        print("\n## Against PyTorch\n")
        if self.no_torch:
            print(f"PyTorch was not run: {self.no_torch}\n")
            return
        worst = max(checked["errors"].values())
        print(f"PyTorch {checked['torch']}; its network's worst error against the golden vectors is {worst:.0e}.\n")

    def _run(self, command, **more):
        env = {key: value for key, value in os.environ.items() if key != "RUST_BACKTRACE"}
        with Peak(self.args.device) as peak:
            done = subprocess.run([str(word) for word in command], env={**env, **more}, capture_output=True, text=True)
        if done.returncode != 0:
            reason = done.stderr.strip().splitlines()[-1:] or ["no message"]
            return {"failed": reason[0][:200]}
        return {**json.loads(done.stdout.strip().splitlines()[-1]), "card_mb": peak.mb()}

    def ours(self, words, batch, precision):
        env = {"DRO_DEVICE": self.args.device, "DRO_BATCH": str(batch), "DRO_PRECISION": precision}
        return self._run([self.args.measure, *words, self.args.repeats], **env)

    def torch(self, words, batch, precision, compiled=False):
        if self.no_torch:
            return {"failed": "not run"}
        options = ["--device", self.args.device, "--batch", batch, "--precision", precision]
        options += ["--repeats", self.args.repeats] + ["--compile"] * compiled
        return self._run([sys.executable, PYTORCH, *words, *options])


def cell(found, key, unit, scale=1.0):
    values = [each[key] * scale for each in found if key in each]
    return f"{statistics.median(values):.1f} {unit}" if values else next(e["failed"] for e in found if "failed" in e)


def ratio(ours, theirs, key):
    pairs = [a[key] / b[key] for a, b in zip(ours, theirs) if a.get(key) and b.get(key)]
    return f"{statistics.median(pairs):.2f}" if pairs else "none"


def compare(sides, args, what, words, batch, precision):
    rounds = []
    for _ in range(args.rounds):
        ours, eager = sides.ours(words, batch, precision), sides.torch(words, batch, precision)
        compiled = {"failed": "not run"} if args.small else sides.torch(words, batch, precision, compiled=True)
        rounds.append((ours, eager, compiled))
    ours, eager, compiled = zip(*rounds)
    times = [cell(side, "median_s", "ms", 1e3) for side in (ours, eager, compiled)]
    memory = [cell(side, "card_mb", "MB") for side in (ours, eager)]
    ratios = [ratio(ours, eager, "median_s"), ratio(ours, compiled, "median_s"), ratio(ours, eager, "card_mb")]
    print("| " + " | ".join([f"{what}, batch {batch}, {precision}", *times, *ratios[:2], *memory, ratios[2]]) + " |")
    sys.stdout.flush()


def updates(sides, args):
    size = "32x48" if args.small else "320x960"
    print(f"\n## Over the number of updates, {size}, 1 neighbour, batch 1, float32\n")
    print("| updates of each block | time | memory |\n| --- | --- | --- |")
    for stages in (0, 1) if args.small else (0, 1, 2, 3, 4, 6):
        found = [sides.ours(["forward", size, 1, stages, 4], 1, "float32") for _ in range(args.rounds)]
        print(f"| {stages * 4} | {cell(found, 'median_s', 'ms', 1e3)} | {cell(found, 'card_mb', 'MB')} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--measure", required=True)
    parser.add_argument("--golden", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--small", action="store_true", help="sizes for a CPU, no compiled side")
    args = parser.parse_args()
    if args.small:
        args.repeats = 1
    sides = Sides(args)
    head = ["what", "ours", "eager", "compiled", "ours/eager", "ours/compiled", "our memory", "eager's", "ratio"]
    print("| " + " | ".join(head) + " |\n| " + " | ".join(["---"] * len(head)) + " |")
    wide, two, train = ("32x48", "32x64", "32x48") if args.small else ("320x960", "320x512", "128x160")
    for precision in ("float32", "tf32", "bf16"):
        for batch in (1,) if args.small else (1, 8):
            forward = f"forward {wide}, 1 neighbour", ["forward", wide, 1, 3, 4]
            compare(sides, args, *forward, batch, precision)
            compare(sides, args, f"forward {two}, 2 neighbours", ["forward", two, 2, 3, 4], batch, precision)
        compare(sides, args, f"training step {train}, batch 2", ["train", train, 1, 2], 1, precision)
    updates(sides, args)
    if sides.no_torch and not args.small:
        sys.exit(1)


if __name__ == "__main__":
    main()
