"""Times a training step of an LSTM language model: PyTorch beside `train`, in turns.

`train` is timed as a user runs it, data and loop included: the steps per second that it logs.
"""

import argparse
import json
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch

from pytorch_lm import LanguageModel, contiguous_windows, train_step

BATCH, LENGTH, EMBEDDING, HIDDEN, VOCABULARY = 32, 64, 128, 256, 96
WINDOW = 20  # steps in one measurement
ROOT = Path(__file__).resolve().parent.parent


def pytorch(text, steps):
    alphabet = sorted(set(text))
    tokens = torch.tensor([alphabet.index(character) for character in text])
    model = LanguageModel(VOCABULARY, EMBEDDING, HIDDEN)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    state, times, done = None, [], 0
    start = time.perf_counter()
    while done < steps:
        for inputs, targets in contiguous_windows(tokens, BATCH, LENGTH, 0):
            _, state = train_step(model, optimizer, inputs, targets, state)
            done += 1
            if done % WINDOW == 0:
                now = time.perf_counter()
                times.append((now - start) / WINDOW * 1000)
                start = now
            if done == steps:
                break
    return times[1:]


def kiln(binary, backend, source, steps, folder):
    run = Path(folder) / f"{backend}-{time.time_ns()}"
    settings = {
        "name": run.name,
        "runs": str(folder),
        "data.source": str(source),
        "data.seq_len": LENGTH,
        "data.batch_size": BATCH,
        "model.embedding_size": EMBEDDING,
        "model.hidden_size": HIDDEN,
        "training.max_steps": steps,
        "training.log_every": f"{WINDOW} steps",
        "training.validate_every": "never",
        "training.checkpoint_every": "never",
        "optimizer.kind": "adamw",
        "optimizer.learning_rate": 1e-3,
    }
    config = Path(folder) / "step.toml"
    config.write_text('job = "language-model"\n')
    command = [binary, "--config", config, "--backend", backend, "--quiet"]
    for key, value in settings.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    subprocess.run([str(part) for part in command], check=True)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [1000 / row["metrics"]["steps_per_second"] for row in rows][1:]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=ROOT / "target/debug/train")
    parser.add_argument("--backends", default="flex,ndarray")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    alphabet = [chr(code) for code in range(32, 127)] + ["\n"]
    assert len(alphabet) == VOCABULARY
    generator = random.Random(0)
    text = "".join(alphabet) * 2 + "".join(generator.choices(alphabet, k=400_000))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "noise.txt"
        source.write_text(text)
        runs = {"pytorch": lambda: pytorch(text, args.steps)}
        for backend in args.backends.split(","):
            runs[backend] = lambda backend=backend: kiln(args.binary, backend, source, args.steps, folder)
        times = {name: [] for name in runs}
        for _ in range(args.rounds):
            for name, run in runs.items():
                times[name] += run()

    print(f"LSTM language model, batch {BATCH}, length {LENGTH}, embedding {EMBEDDING}, hidden {HIDDEN}, vocabulary {VOCABULARY}")
    print(f"{args.threads} threads, PyTorch {torch.__version__}, {args.rounds} rounds of {args.steps} steps in turns; ms a step")
    print(f"{'':10} {'best':>8} {'median':>8} {'of PyTorch':>12}")
    reference = statistics.median(times["pytorch"])
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:10} {min(values):8.1f} {median:8.1f} {median / reference:11.2f}x")


if __name__ == "__main__":
    main()
