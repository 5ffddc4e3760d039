"""Times what attention.rs times, in PyTorch with two threads: python attention.py [threads]"""

import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
SHAPES = [(12, 64, 4, 32), (16, 128, 4, 64), (4, 1024, 4, 64)]


def attention(qkv, heads):
    batch, steps, features = qkv.shape
    query, key, value = (
        part.view(batch, steps, heads, features // 3 // heads).transpose(1, 2) for part in qkv.chunk(3, dim=2))
    output = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    return output.transpose(1, 2).reshape(batch, steps, features // 3)


def timed(name, work):
    work()
    started, times = time.perf_counter(), []
    while len(times) < 15 or (time.perf_counter() - started < 1 and len(times) < 1000):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e6)
    times.sort()
    print(f"{name:44}{times[0]:>10.0f}{times[len(times) // 2]:>10.0f}", flush=True)


print(f"{'microseconds':44}{'least':>10}{'median':>10}")
for batch, steps, heads, size in SHAPES:
    qkv = torch.randn(batch, steps, 3 * heads * size, requires_grad=True)
    factors = torch.randn(batch, steps, heads * size)

    def train():
        qkv.grad = None
        (attention(qkv, heads) * factors).sum().backward()

    def infer():
        with torch.no_grad():
            attention(qkv, heads)

    timed(f"{[batch, steps, heads, size]} torch train", train)
    timed(f"{[batch, steps, heads, size]} torch infer", infer)
