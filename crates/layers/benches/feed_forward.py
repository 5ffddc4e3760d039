"""PyTorch's times for the rows of feed_forward.rs: python feed_forward.py [threads, 2] (tenth percentile in microseconds)."""

import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)


def tenth(name, run):
    run()
    started, times = time.perf_counter(), []
    while len(times) < 15 or (time.perf_counter() - started < 0.6 and len(times) < 400):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    print(f"{name:52}{sorted(times)[len(times) // 10] * 1e6:10.0f}")


def leaf(*shape):
    return torch.randn(*shape, requires_grad=True)


def step(name, function, *leaves):
    def run():
        for one in leaves:
            one.grad = None
        output = function(leaves[0])
        output.backward(torch.ones_like(output))

    tenth(name, run)


x, weight, bias = leaf(2048, 256), leaf(256), leaf(256)
step("layer norm [2048, 256]", lambda x: F.layer_norm(x, (256,), weight, bias), x, weight, bias)
step("RMS norm [2048, 256]", lambda x: F.rms_norm(x, (256,), weight, 1e-6), x, weight)

wide = leaf(2048, 1024)


def swiglu(x):
    gate, up = x.chunk(2, dim=-1)
    return F.silu(gate) * up


step("relu [2048, 1024]", F.relu, wide)
step("gelu [2048, 1024]", F.gelu, wide)
step("gelu by tanh [2048, 1024]", lambda x: F.gelu(x, approximate="tanh"), wide)
step("silu [2048, 1024]", F.silu, wide)
step("swiglu [2048, 1024]", swiglu, wide)
step("dropout [2048, 256]", lambda x: F.dropout(x, 0.1), x)


def drop_path(branch):
    return branch * (torch.rand(branch.shape[0], 1, 1) >= 0.1) / 0.9


step("drop path [32, 64, 256]", drop_path, leaf(32, 64, 256))

angles = torch.outer(torch.arange(64).float(), 10000 ** (-torch.arange(0, 64, 2) / 64))
cos, sin = (torch.cat([table, table], -1)[None, :, None] for table in (angles.cos(), angles.sin()))


def rotate(packed):
    rows = packed.reshape(32, 64, 12, 64)
    turned, others = rows.split([8, 4], dim=2)
    first, second = turned.chunk(2, dim=-1)
    turned = turned * cos + torch.cat([-second, first], -1) * sin
    return torch.cat([turned, others], dim=2).reshape(packed.shape)


step("rotary, 8 of 12 heads of [32, 64, 768]", rotate, leaf(32, 64, 768))
