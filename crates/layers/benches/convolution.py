"""Training steps of convolutional networks in PyTorch and in benches/convolution.rs, in turns and each in a process of its own:

    cargo bench --profile dev -p layers --features ndarray,flex --bench convolution --no-run     (prints the path of the binary)
    python convolution.py BINARY [--threads 2] [--rounds 5] [--steps 8]

`--shapes` times single convolutions instead. Prints the best and the median milliseconds of a step, and the peak of the memory above what the process had before the steps.
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


def shapes(backend, binary, steps, threads, environment):
    """Best milliseconds of single convolutions: PyTorch's, the backend's and their ratio, forward and with both gradients."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)

    def best(run):
        times = []
        for _ in range(WARM_UP + steps):
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) * 1e3)
        return min(times)

    command = [binary, "shapes", backend, str(steps)]
    lines = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.splitlines()
    print(f"{'batch, in, size, out, kernel, stride, groups':46}{'forward':>24}{'with gradients':>24}  ({backend}, {threads} threads)")
    for found in map(json.loads, lines):
        batch, inputs, size, outputs, kernel, stride, groups = found["shape"]
        x = torch.randn(batch, inputs, size, size, requires_grad=True)
        w = torch.randn(outputs, inputs // groups, kernel, kernel, requires_grad=True)
        convolve = lambda: F.conv2d(x, w, None, stride, kernel // 2, 1, groups)
        direction = torch.ones_like(convolve())
        with torch.no_grad():
            forward = best(convolve)
        both = best(lambda: torch.autograd.grad(convolve(), (x, w), direction))
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
    parser.add_argument("--shapes", action="store_true")
    parser.add_argument("--networks", default="five,resnet20")
    parser.add_argument("--backends", default="pytorch,flex,ndarray")
    args = parser.parse_args()
    if args.binary in ("five", "resnet20"):
        return pytorch(args.binary, args.steps, args.threads)

    environment = {**os.environ, "RAYON_NUM_THREADS": str(args.threads)}
    if args.shapes:
        return shapes(args.backends.split(",")[1], args.binary, args.steps, args.threads, environment)
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
