"""Training steps of convolutional networks in PyTorch and in benches/convolution.rs, in turns and each in a process of its own:

    cargo bench --profile dev -p layers --features ndarray,flex --bench convolution --no-run     (prints the path of the binary)
    python convolution.py BINARY [--threads 2] [--rounds 5] [--steps 8]

`--kind shapes` times single convolutions instead, `--kind transposed` those of a DCGAN's generator and `--kind penalty` a gradient
penalty of a DCGAN's discriminator. Prints the best and the median milliseconds of a step, and the peak of the memory above what the process had before the steps.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

WARM_UP = 3


def pytorch(network, steps, threads):
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.set_num_threads(threads)

    class Layer(nn.Sequential):
        def __init__(self, inputs, outputs, size=3, stride=1):
            convolution = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
            super().__init__(convolution, nn.BatchNorm2d(outputs))

    class Block(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            stride = outputs // inputs
            self.first, self.second = Layer(inputs, outputs, 3, stride), Layer(outputs, outputs)
            self.projection = Layer(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

        def forward(self, x):
            return F.relu(self.second(F.relu(self.first(x))) + self.projection(x))

    if network == "five":
        model = nn.Sequential(*[nn.Sequential(Layer(64, 64), nn.ReLU()) for _ in range(5)])
        images, loss = torch.randn(32, 64, 32, 32), torch.sum
    else:
        channels = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
        blocks = [Block(*pair) for pair in zip(channels, channels[1:])]
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
        model = nn.Sequential(Layer(3, 16), nn.ReLU(), *blocks, head)
        images, targets = torch.randn(128, 3, 32, 32), torch.arange(128) * 7 % 10
        loss = lambda logits: F.cross_entropy(logits, targets)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    before, times = memory("VmRSS:"), []
    for _ in range(WARM_UP + steps):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        loss(model(images)).backward()
        optimizer.step()
        times.append((time.perf_counter() - start) * 1e3)
    print(json.dumps({"ms": times[WARM_UP:], "mb": (memory("VmHWM:") - before) // 1024}))


def calls(kind, shape):
    """What is timed first, without gradients or with those by the weights, and what is timed with all of them."""
    import torch
    import torch.nn.functional as F

    if kind == "penalty":
        weights = [torch.randn(s, requires_grad=True) for s in ((64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (1, 256, 4, 4))]
        weights = [(w.detach() * 0.02).requires_grad_() for w in weights]
        images = torch.randn(64, 3, 32, 32)

        def scores(x):
            for w in weights[:3]:
                x = F.leaky_relu(F.conv2d(x, w, None, 2, 1), 0.2)
            return F.conv2d(x, weights[3]).sum()

        def penalty():
            x = images.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(scores(x), x, create_graph=True)
            torch.autograd.grad(((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean(), weights)

        return lambda: torch.autograd.grad(scores(images), weights), penalty

    batch, inputs, size, outputs, kernel, stride, last = shape
    x = torch.randn(batch, inputs, size, size, requires_grad=True)
    if kind == "transposed":
        w = torch.randn(inputs, outputs, kernel, kernel, requires_grad=True)
        convolve = lambda: F.conv_transpose2d(x, w, None, stride, last)
    else:
        w = torch.randn(outputs, inputs // last, kernel, kernel, requires_grad=True)
        convolve = lambda: F.conv2d(x, w, None, stride, kernel // 2, 1, last)
    direction = torch.ones_like(convolve())

    def forward():
        with torch.no_grad():
            convolve()

    return forward, lambda: torch.autograd.grad(convolve(), (x, w), direction)


def shapes(kind, backend, binary, steps, threads, environment):
    """Best milliseconds of single convolutions: PyTorch's, the backend's and their ratio, forward and with both gradients."""
    import torch

    torch.set_num_threads(threads)

    def best(run):
        times = []
        for _ in range(WARM_UP + steps):
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) * 1e3)
        return min(times)

    command = [binary, kind, backend, str(steps)]
    lines = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
    last = "padding" if kind == "transposed" else "groups"
    title = "the scores' gradients, those of a penalty" if kind == "penalty" else f"batch, in, size, out, kernel, stride, {last}"
    print(f"{title:46}{'forward':>24}{'with gradients':>24}  ({backend}, {threads} threads)")
    for found in map(json.loads, lines):
        forward, both = map(best, calls(kind, found["shape"]))
        row = "".join(f"{a:8.2f}{b:8.2f}{b / a:7.2f}x" for a, b in ((forward, found["forward"]), (both, found["both"])))
        print(f"{str(found['shape']):46}{row}", flush=True)


def memory(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--kind", default="networks", choices=["networks", "shapes", "transposed", "penalty"])
    parser.add_argument("--networks", default="five,resnet20")
    parser.add_argument("--backends", default="pytorch,flex,ndarray")
    args = parser.parse_args()
    if args.binary in ("five", "resnet20"):
        return pytorch(args.binary, args.steps, args.threads)

    environment = {**os.environ, "RAYON_NUM_THREADS": str(args.threads)}
    if args.kind != "networks":
        for backend in args.backends.split(",")[1:]:
            shapes(args.kind, backend, args.binary, args.steps, args.threads, environment)
        return
    for network in args.networks.split(","):
        runs = {name: {"ms": [], "mb": []} for name in args.backends.split(",")}
        for _ in range(args.rounds):
            for name, run in runs.items():
                if name == "pytorch":
                    options = ["--steps", args.steps, "--threads", args.threads]
                    command = [sys.executable, __file__, network, *options]
                else:
                    command = [args.binary, network, name, args.steps]
                line = subprocess.run([str(part) for part in command], env=environment, check=True, capture_output=True)
                found = json.loads(line.stdout)
                run["ms"] += found["ms"]
                run["mb"].append(found["mb"])
        print(f"{network}, {args.threads} threads, {args.rounds} rounds of {args.steps} steps in turns")
        print(f"{'':10}{'best ms':>10}{'median ms':>12}{'best':>8}{'median':>8}  of the first{'peak MB':>12}")
        first = next(iter(runs.values()))["ms"]
        for name, run in runs.items():
            best, median = min(run["ms"]), statistics.median(run["ms"])
            ratios = f"{best / min(first):7.2f}x{median / statistics.median(first):7.2f}x"
            print(f"{name:10}{best:10.1f}{median:12.1f}{ratios}{'':14}{max(run['mb']):12}", flush=True)


if __name__ == "__main__":
    main()
