"""Times what recurrent.rs times, in PyTorch with two threads: python recurrent_torch.py [threads]"""

import sys
import time

import torch

torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
BATCH, TIME, INPUT, HIDDEN, REPEATS = 32, 64, 128, 256, 40


def timed(name, work):
    for _ in range(5):
        work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    print(f"torch {name}: min {times[0]:.2f} ms, median {times[REPEATS // 2]:.2f} ms", flush=True)


for cell in (torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN):
    network = cell(INPUT, HIDDEN, batch_first=True)
    input = torch.randn(BATCH, TIME, INPUT, requires_grad=True)
    token = torch.randn(1, 1, INPUT)

    def train():
        network.zero_grad(set_to_none=True)
        input.grad = None
        network(input)[0].sum().backward()

    def infer(batch):
        with torch.no_grad():
            network(batch)

    timed(f"{cell.__name__} train", train)
    timed(f"{cell.__name__} infer", lambda: infer(input))
    timed(f"{cell.__name__} one token", lambda: infer(token))
