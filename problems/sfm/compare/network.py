"""DRO (arXiv 2103.13201) in plain PyTorch, written from the paper and docs/architecture.md, as the other side of a timing.

Layer names are those of the published checkpoints, so that the golden vectors prove that it is the same network. It
computes what the published program computes, no less: an upsampling mask at every depth update, every gate on its own.
"""

import torch
import torch.nn.functional as F
from torch import nn

FEATURES, CONTEXT, STRIDE = 128, 32, 8


def conv(inputs, outputs, kernel, stride=1, bias=True):
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    return nn.Conv2d(inputs, outputs, kernel, stride, (kernel[0] // 2, kernel[1] // 2), bias=bias)


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, 3, bias=False), nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            shortcut = conv(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ImageEncoder(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, 64, 7, 2, bias=False), nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.upconv1 = nn.Sequential(conv(256, 128, 3), nn.ReLU())
        self.upconv1_fusion = nn.Sequential(conv(256, 128, 3), nn.ReLU())
        self.out_conv = conv(128, outputs, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        skip = self.layer2(self.layer1(x))
        x = self.layer3(skip)
        x = self.upconv1(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        return self.out_conv(self.upconv1_fusion(torch.cat([x, skip], 1)))


class DepthHead(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.conv2 = conv(channels, channels, 3), conv(channels, 1, 3)

    def forward(self, x):
        return self.conv2(F.relu(self.conv1(x)))


class PoseHead(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.conv1_pose, self.conv2_pose = conv(inputs, hidden, 3), conv(hidden, 6, 3)

    def forward(self, x):
        pose = self.conv2_pose(F.relu(self.conv1_pose(x))).mean((2, 3))
        return torch.cat([pose[:, :3], 0.01 * pose[:, 3:]], 1)


def mask_head(channels):
    return nn.Sequential(conv(channels, 2 * channels, 3), nn.ReLU(), conv(2 * channels, 9 * STRIDE**2, 1))


class Upmask(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = mask_head(FEATURES)


class InputEncoder(nn.Module):
    def __init__(self, hidden, variable, letter):
        super().__init__()
        self.convc1, self.convc2 = conv(FEATURES, hidden, 1), conv(hidden, hidden, 3)
        self.names = [f"conv{letter}1", f"conv{letter}2", f"conv{letter}"]
        layers = conv(variable, hidden, 7), conv(hidden, 64, 3), conv(64 + hidden, hidden - variable, 3)
        for name, layer in zip(self.names, layers):
            self.add_module(name, layer)

    def forward(self, variable, cost):
        first, second, join = (getattr(self, name) for name in self.names)
        cost = F.relu(self.convc2(F.relu(self.convc1(cost))))
        seen = F.relu(second(F.relu(first(variable))))
        return torch.cat([F.relu(join(torch.cat([cost, seen], 1))), variable], 1)


class SepConvGru(nn.Module):
    def __init__(self, hidden, inputs):
        super().__init__()
        for suffix, kernel in (("1", (1, 5)), ("2", (5, 1))):
            for gate in "zrq":
                self.add_module(f"conv{gate}{suffix}", conv(hidden + inputs, hidden, kernel))

    def forward(self, h, x):
        for z, r, q in ((self.convz1, self.convr1, self.convq1), (self.convz2, self.convr2, self.convq2)):
            hx = torch.cat([h, x], 1)
            z, r = torch.sigmoid(z(hx)), torch.sigmoid(r(hx))
            h = (1 - z) * h + z * torch.tanh(q(torch.cat([r * h, x], 1)))
        return h


class DepthUpdate(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.encoder = InputEncoder(hidden, 1, "d")
        self.depth_gru = SepConvGru(hidden, hidden + CONTEXT)
        self.depth_head, self.mask = DepthHead(hidden), mask_head(hidden)

    def forward(self, h, context, x, cost):
        h = self.depth_gru(h, torch.cat([context, self.encoder(x, cost)], 1))
        return h, 0.25 * self.mask(h), torch.tanh(self.depth_head(h))


class PoseUpdate(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.encoder = InputEncoder(hidden, 6, "p")
        self.pose_gru = SepConvGru(hidden, hidden + CONTEXT)
        self.pose_head = PoseHead(hidden, hidden)

    def forward(self, h, context, pose, cost):
        spread = pose[:, :, None, None].expand(-1, -1, *cost.shape[2:])
        h = self.pose_gru(h, torch.cat([context, self.encoder(spread, cost)], 1))
        return h, self.pose_head(h)


def pose_matrix(pose):
    """`[n, 6]` → `[n, 3, 4]`, R = Rx·Ry·Rz."""
    (cx, cy, cz), (sx, sy, sz) = torch.cos(pose[:, 3:]).unbind(1), torch.sin(pose[:, 3:]).unbind(1)
    zero, one = torch.zeros_like(cx), torch.ones_like(cx)
    axis = lambda *rows: torch.stack(rows, 1).reshape(-1, 3, 3)
    rx = axis(one, zero, zero, zero, cx, -sx, zero, sx, cx)
    ry = axis(cy, zero, sy, zero, one, zero, -sy, zero, cy)
    rz = axis(cz, -sz, zero, sz, cz, zero, zero, zero, one)
    return torch.cat([rx @ ry @ rz, pose[:, :3, None]], 2)


def warp(image, depth, k, pose):
    """The neighbour's `image` as the target sees it: zeros outside, pixel centres at integers."""
    n, _, h, w = depth.shape
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)]).reshape(1, 3, -1).to(depth)
    matrix = pose_matrix(pose)
    points = torch.linalg.inv(k) @ pixels * depth.reshape(n, 1, -1)
    points = k @ (matrix[:, :, :3] @ points + matrix[:, :, 3:])
    xy = points[:, :2] / points[:, 2:].clamp(min=1e-5)
    scale = torch.tensor([w - 1, h - 1]).to(depth)
    grid = (2 * xy.transpose(1, 2) / scale - 1).reshape(n, h, w, 2)
    return F.grid_sample(image, grid, "bilinear", "zeros", align_corners=True)


def to_depth(inverse):
    return torch.where(inverse > 0, 1 / inverse.clamp(min=1e-6), torch.zeros_like(inverse))


def upsample(x, logits):
    n, _, h, w = x.shape
    mask = torch.softmax(logits.reshape(n, 1, 9, STRIDE, STRIDE, h, w), 2)
    around = F.unfold(x, 3, padding=1).reshape(n, 1, 9, 1, 1, h, w)
    return (mask * around).sum(2).permute(0, 1, 4, 2, 5, 3).reshape(n, 1, STRIDE * h, STRIDE * w)


class DroNet(nn.Module):
    def __init__(self, hidden=128, depth_range=None):
        """`depth_range` (min, max) in metres, or none where the network's number is the inverse depth itself."""
        super().__init__()
        self.hidden, self.depth_range = hidden, depth_range
        self.fnet = ImageEncoder(3, FEATURES)
        self.cnet_depth, self.cnet_pose = ImageEncoder(3, hidden + CONTEXT), ImageEncoder(6, hidden + CONTEXT)
        self.depth_head, self.pose_head = DepthHead(FEATURES), PoseHead(2 * FEATURES, FEATURES)
        self.upmask_net = Upmask()
        self.update_block_depth, self.update_block_pose = DepthUpdate(hidden), PoseUpdate(hidden)

    def scale(self, x):
        if self.depth_range is None:
            return x
        near, far = self.depth_range
        return 1 / far + (1 / near - 1 / far) * x

    def split(self, x):
        h, context = torch.split(x, [self.hidden, CONTEXT], 1)
        return torch.tanh(h), F.relu(context)

    def cost(self, target, neighbour, x, k, pose):
        return (target - warp(neighbour, to_depth(self.scale(x)), k, pose)) ** 2

    def forward(self, target, neighbours, k, stages, inner):
        """Inverse depths `[n, 1, H, W]` (start, then one per stage) and poses `[n, 6]` (likewise, per neighbour)."""
        k = k.clone()
        k[:, :2, :2] /= STRIDE
        k[:, :2, 2] = (k[:, :2, 2] + 0.5) / STRIDE - 0.5
        target_map, *maps = torch.chunk(self.fnet(torch.cat([target, *neighbours])), 1 + len(neighbours))
        x = torch.sigmoid(self.depth_head(target_map))
        poses = [self.pose_head(torch.cat([target_map, m], 1)) for m in maps]
        depths = [self.scale(upsample(x, 0.25 * self.upmask_net.mask(target_map)))]
        trace = [poses]
        h_depth, c_depth = self.split(self.cnet_depth(target))
        pairs = [self.split(self.cnet_pose(torch.cat([target, image], 1))) for image in neighbours]
        h_poses, c_poses = [h for h, _ in pairs], [c for _, c in pairs]
        for _ in range(stages):
            # Jacobi: within a stage each block sees the other as it was at the stage's start.
            x, poses = x.detach(), [pose.detach() for pose in poses]
            x_start, poses_start = x, list(poses)
            for _ in range(inner):
                costs = [self.cost(target_map, m, x, k, pose) for m, pose in zip(maps, poses_start)]
                h_depth, mask, step = self.update_block_depth(h_depth, c_depth, x, sum(costs) / len(costs))
                x = x + step
            for _ in range(inner):
                for i, m in enumerate(maps):
                    cost = self.cost(target_map, m, x_start, k, poses[i])
                    h_poses[i], step = self.update_block_pose(h_poses[i], c_poses[i], poses[i], cost)
                    poses[i] = poses[i] + step
            if inner:
                depths.append(self.scale(upsample(x, mask)))
                trace.append(list(poses))
        return depths, trace
