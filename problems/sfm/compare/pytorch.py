"""The PyTorch side of docs/performance.md. Each command prints one line of JSON.

    pytorch.py check GOLDEN_DIR                         is it the published network? errors against the golden vectors
    pytorch.py forward HxW NEIGHBOURS STAGES INNER      median seconds, peak memory of the process
    pytorch.py train HxW NEIGHBOURS BATCH               one step: forward, supervised loss, backward, Adam
    pytorch.py layers HxW                               GFLOP/s of each kind of convolution at 1/8 of the image
Options: --repeats K, --threads T; on a card --device cuda, --precision tf32 or bf16, --compile (torch.compile, max-autotune) and,
for forward, --batch N. Needs torch, numpy, safetensors.
"""

import argparse
import json
import pathlib
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from safetensors import safe_open

from formula import fill
from network import DroNet, conv, pose_matrix, to_depth

GOLDEN = {"kitti_style": None, "scannet_style": (0.2, 10.0), "train_style": (0.2, 10.0)}


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def wait():
    if torch.get_default_device().type == "cuda":
        torch.cuda.synchronize()


def seconds(run, repeats, warm_up=1):
    for _ in range(warm_up):
        run()
    wait()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - began)
    return {"median_s": statistics.median(times), "min_s": min(times), "repeats": repeats}


def views(size, neighbours, batch=1):
    """The same images as the Rust side: a wave over all numbers, another phase per view."""
    count = batch * 3 * size[0] * size[1]
    wave = torch.arange(count, dtype=torch.float64) * 12.9898
    images = [(torch.sin(wave + i) * 0.5 + 0.5).float().reshape(batch, 3, *size) for i in range(1 + neighbours)]
    focal = 0.6 * size[1]
    k = torch.tensor([[focal, 0, size[1] / 2 - 0.5], [0, focal, size[0] / 2 - 0.5], [0, 0, 1]])
    return images[0], images[1:], k.expand(batch, 3, 3).contiguous()


def network():
    return fill(DroNet(128, (0.2, 80.0))).eval()


def compiled(net, wanted):
    return torch.compile(net, mode="max-autotune") if wanted else net


@torch.inference_mode()
def check(folder):
    found = {}
    for name, depth_range in GOLDEN.items():
        net = fill(DroNet(128, depth_range)).eval()
        with safe_open(pathlib.Path(folder) / f"{name}.safetensors", "pt") as file:
            device = torch.get_default_device()
            golden = {key: file.get_tensor(key).to(device) for key in file.keys()}
        neighbours = [golden[f"ref{i}"] for i in range(len(golden)) if f"ref{i}" in golden]
        depths, poses = net(golden["target"], neighbours, golden["intrinsics"], 3, 4)
        answers = {"eval_inv_depth": depths[-1], "eval_pose": torch.stack(poses[-1], 1)}
        for key, value in answers.items():
            expected = golden[key]
            found[f"{name}.{key}"] = float((value - expected).norm() / expected.norm())
    worst = max(found.values())
    if not worst < 1e-3:
        raise SystemExit(f"golden vectors: expected relative errors below 1e-3, found {found}")
    return {"errors": found}


@torch.inference_mode()
def forward(size, neighbours, stages, inner, args):
    net, (target, others, k) = compiled(network(), args.compile), views(size, neighbours, args.batch)
    imported = peak_mb()
    result = seconds(lambda: net(target, others, k, stages, inner), args.repeats, 3 if args.compile else 1)
    return {**result, "peak_mb": peak_mb(), "before_mb": imported}


def supervised_loss(depths, poses, truth, k):
    """L1 on inverse depth plus L1 between projections under the true and the predicted poses, later ones weigh more."""
    depth_truth, poses_truth = truth
    n, _, h, w = depth_truth.shape
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    rays = torch.linalg.inv(k) @ torch.stack([x, y, torch.ones_like(x)]).reshape(1, 3, -1).to(depth_truth)
    points = rays * depth_truth.reshape(n, 1, -1)

    def project(pose):
        matrix = pose_matrix(pose)
        p = k @ (matrix[:, :, :3] @ points + matrix[:, :, 3:])
        scale = torch.tensor([w - 1, h - 1]).reshape(1, 2, 1)
        return 2 * p[:, :2] / p[:, 2:].clamp(min=1e-5) / scale - 1

    weights = torch.tensor([0.85 ** (len(depths) - 1 - i) for i in range(len(depths))])
    loss = 0.0
    for weight, depth, pose in zip(weights / weights.sum(), depths, poses):
        loss = loss + weight * (depth - 1 / depth_truth).abs().mean()
        for found, true in zip(pose, poses_truth):
            loss = loss + weight * (project(found) - project(true)).abs().clamp(max=1).mean() / len(pose)
    return loss


def train(size, neighbours, batch, args):
    net, (target, others, k) = compiled(network().train(), args.compile), views(size, neighbours, batch)
    truth = torch.full((batch, 1, *size), 3.0), [torch.full((batch, 6), 0.02) for _ in others]
    optimizer = torch.optim.Adam(net.parameters(), 2e-4)

    def step():
        optimizer.zero_grad()
        supervised_loss(*net(target, others, k, 3, 4), truth, k).backward()
        optimizer.step()

    return {**seconds(step, args.repeats, 3 if args.compile else 1), "peak_mb": peak_mb()}


@torch.inference_mode()
def layers(size, repeats):
    """(name, inputs, outputs, kernel, stride, divisor of the image's sides)."""
    found = []
    for name, inputs, outputs, kernel, stride, at in LAYERS:
        layer = conv(inputs, outputs, tuple(kernel), stride)
        x = torch.randn(1, inputs, size[0] // at, size[1] // at)
        timed = seconds(lambda: layer(x), repeats)
        flop = 2 * layer.weight.numel() * (x.shape[2] // stride) * (x.shape[3] // stride)
        found.append({"name": name, "gflops": flop / timed["min_s"] / 1e9, "min_s": timed["min_s"]})
    return {"layers": found}


LAYERS = json.loads((pathlib.Path(__file__).parent / "layers.json").read_text())


def side(text):
    height, width = text.split("x")
    return int(height), int(width)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["check", "forward", "train", "layers"])
    parser.add_argument("rest", nargs="+")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["float32", "tf32", "bf16"], default="float32")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_default_device(args.device)
    # cuDNN rounds to TF32 unless it is told not to.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = args.precision != "float32"
    kind = args.device.split(":")[0]
    autocast = torch.autocast(kind, torch.bfloat16, enabled=args.precision == "bf16")
    torch.manual_seed(0)
    rest = args.rest
    if args.command == "check":
        result = check(rest[0])
    elif args.command == "layers":
        result = layers(side(rest[0]), args.repeats)
    else:
        numbers = [int(text) for text in rest[1:]]
        with autocast:
            result = globals()[args.command](side(rest[0]), *numbers, args)
    print(json.dumps({"command": args.command, "arguments": rest, "torch": torch.__version__, **result}))


if __name__ == "__main__":
    main()
