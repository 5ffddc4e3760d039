"""PyTorch's times for the rows of pieces.rs: python pieces.py [threads, 2] (tenth percentile in microseconds)."""

import sys
import time

import torch
import torch.nn.functional as F

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
BATCH, TIME, EMBEDDING, HIDDEN, VOCABULARY = 32, 64, 128, 256, 96
SIZE = 440_000


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


def indices(below, *shape):
    i = torch.arange(torch.Size(shape).numel())
    return ((i * 7919 + i * i) % below).reshape(shape)


def gradients(of, *leaves):
    for one in leaves:
        one.grad = None
    of.backward(torch.ones_like(of))


for rows, classes in [(BATCH * TIME, VOCABULARY), (512, 10_000)]:
    logits, targets = leaf(rows, classes), indices(classes, rows)
    tenth(f"cross entropy [{rows}, {classes}]", lambda: gradients(F.cross_entropy(logits, targets), logits))
    with torch.no_grad():
        tenth(f"cross entropy [{rows}, {classes}], forward only", lambda: F.cross_entropy(logits, targets))

x, w, b = leaf(BATCH, TIME, HIDDEN), leaf(VOCABULARY, HIDDEN), leaf(VOCABULARY)
tenth("linear [2048, 256] x [256, 96]", lambda: gradients(F.linear(x, w, b), x, w, b))
with torch.no_grad():
    rows, turned, dy = x.reshape(-1, HIDDEN), w.T.contiguous(), torch.randn(BATCH * TIME, VOCABULARY)
    tenth("product, x W", lambda: rows @ turned)
    tenth("product, x WT", lambda: rows @ w.T)
    tenth("product, dy WT", lambda: dy @ turned.T)
    tenth("product, dy W", lambda: dy @ w)
    tenth("product, xT dy", lambda: rows.T @ dy)
    tenth("product, dyT x", lambda: dy.T @ rows)

for batch, queries, steps, features in [(128, 1, 16, 256), (64, 20, 20, 256)]:
    query, keys, weight = leaf(batch, queries, features), leaf(batch, steps, features), leaf(features)

    def scores():
        return torch.tanh(query.unsqueeze(2) + keys.unsqueeze(1)) @ weight

    what = f"additive scores [{batch}, {queries}, {steps}, {features}]"
    tenth(what, lambda: gradients(scores(), query, keys, weight))
    with torch.no_grad():
        tenth(f"{what}, forward only", scores)

for vocabulary, features in [(VOCABULARY, EMBEDDING), (10_000, 256)]:
    weight, which = leaf(vocabulary, features), indices(vocabulary, BATCH, TIME)
    what = f"embedding [32, 64] into {vocabulary} x {features}"
    tenth(what, lambda: gradients(F.embedding(which, weight), weight))

for name, optimiser, options in [
    ("adamw", torch.optim.AdamW, {}),
    ("adamw, fused", torch.optim.AdamW, {"fused": True}),
    ("sgd with momentum", torch.optim.SGD, {"momentum": 0.9}),
    ("rmsprop", torch.optim.RMSprop, {}),
]:
    parameter = leaf(SIZE)
    parameter.grad = torch.randn(SIZE)
    stepper = optimiser([parameter], **options)
    tenth(f"{name}, 440,000 parameters", stepper.step)
grad = torch.randn(SIZE)
tenth("sum of squares, 440,000", lambda: grad.square().sum())
tenth("norm, 440,000", lambda: torch.linalg.vector_norm(grad))
