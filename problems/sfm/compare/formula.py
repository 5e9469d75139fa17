"""Weights made from the tensors' names, as the golden vectors' README defines them: nothing to download."""

import numpy as np
import torch

MASK = (1 << 64) - 1


def _unit(name, count):
    """`count` numbers in [-1, 1): a splitmix64 stream seeded by FNV-1a of the name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return ((z >> np.uint64(40)).astype(np.float64) / 2**24 * 2 - 1).astype(np.float32)


def fill(net):
    """Sets every parameter and statistic of `net` from its name."""
    state = net.state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        u = _unit(name, tensor.numel()).reshape(tensor.shape)
        if tensor.dim() == 4:
            u = u * np.float32(np.sqrt(3 / np.prod(tensor.shape[1:])))
        elif name.endswith("running_var"):
            u = 1 + 0.25 * u
        elif name.endswith(("running_mean", "bias")):
            u = 0.05 * u
        else:
            u = 1 + 0.1 * u
        state[name] = torch.from_numpy(np.ascontiguousarray(u, dtype=np.float32))
    net.load_state_dict(state)
    return net
