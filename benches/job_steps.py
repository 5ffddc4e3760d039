"""Times a training step of each job of the sequence family but the language model: PyTorch beside `train`, in turns.

The configs in `JOBS` give the sizes. `train` is timed as a user runs it, data
and loop included: the steps per second that it logs. PyTorch has its batches ready as tensors.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import tempfile
import time
import tomllib
from pathlib import Path

import torch
from torch import nn

import kiln
import pytorch_speech
import pytorch_translator
from kiln import ROOT
from pytorch_classifier import Classifier, padded

WINDOW = 20  # steps in one measurement


class Forecaster(nn.Module):
    """The recurrent forecaster of `crates/sequence` with its direct head, on differences from the last row."""

    def __init__(self, columns, hidden_size, horizon, dropout):
        super().__init__()
        self.rnn = nn.LSTM(columns, hidden_size, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, horizon * columns)
        self.shape = horizon, columns

    def forward(self, rows):
        last = rows[:, -1:]
        hidden, _ = self.rnn(rows - last)
        return self.output(self.dropout(hidden[:, -1])).view(-1, *self.shape) + last


def timed(model, config, batches, loss_of, steps):
    """Milliseconds a step, in windows; the first window is left out."""
    settings = config["optimizer"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"])
    times, start = [], time.perf_counter()
    for done, batch in enumerate(itertools.islice(itertools.cycle(batches), steps), 1):
        loss = loss_of(model, *batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), config["training"]["clip_norm"])
        optimizer.step()
        if done % WINDOW == 0:
            now = time.perf_counter()
            times.append((now - start) / WINDOW * 1000)
            start = now
    return times[1:]


def forecast(config):
    data, sizes, columns = config["data"], config["model"], 7
    model = Forecaster(columns, sizes["hidden_size"], data["horizon"], sizes["dropout"])
    rows = [torch.randn(data["batch_size"], data["input_len"] + data["horizon"], columns) for _ in range(20)]
    batches = [(batch[:, : data["input_len"]], batch[:, data["input_len"] :]) for batch in rows]
    return model, batches, lambda model, inputs, truth: nn.functional.mse_loss(model(inputs), truth)


def classification(config, path):
    example = ["cargo", "run", "-q", "-p", "data", "--example", "labelled_batches", "--", str(path), "42"]
    texts = json.loads(subprocess.run(example, check=True, capture_output=True, cwd=ROOT).stdout)
    sizes = config["model"]
    shape = sizes["embedding_size"], sizes["hidden_size"], sizes["dropout"]
    model = Classifier(texts["vocab_size"], len(texts["classes"]), *shape)
    batches = []
    for batch in texts["train"][0]:
        labels = torch.tensor([texts["labels"][str(index)] for index in batch])
        batches.append((*padded([texts["tokens"][str(index)] for index in batch]), labels))
    return model, batches, lambda model, tokens, lengths, labels: nn.functional.cross_entropy(model(tokens, lengths), labels)


def translation(config):
    data, sizes = config["data"], config["model"]
    vocabulary = data["tokenizer"]["vocab_size"] + 1
    model = pytorch_translator.Translator(vocabulary, sizes["embedding_size"], sizes["hidden_size"], sizes["dropout"])
    return model, pytorch_translator.multi30k_batches(vocabulary, data["batch_size"], 20), pytorch_translator.loss_of


def recognition(config):
    data = config["data"]
    features = data["features"]["num_coefficients"] * (1 + data["features"]["deltas"])
    model = pytorch_speech.SpeechRecognizer(features, config["model"])
    return model, pytorch_speech.string_batches(features, data, 20), pytorch_speech.loss_of


JOBS = {
    "forecast-etth1-lstm": lambda config, _: forecast(config),
    "sentiment-rt-polarity": classification,
    "translation-multi30k": lambda config, _: translation(config),
    "fsdd-strings": lambda config, _: recognition(config),
}


def train(binary, backend, path, steps, folder):
    run = Path(folder) / f"{path.stem}-{backend}-{time.time_ns()}"
    settings = {"runs": str(folder), "training.log_every": f"{WINDOW} steps", "training.checkpoint_every": "never"}
    kiln.train(binary, path, backend, run.name, settings, "--max-steps", steps)
    return kiln.step_times(run)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=ROOT / "target/debug/train")
    parser.add_argument("--backends", default="flex")
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    print(f"{args.threads} threads, PyTorch {torch.__version__}, {args.rounds} rounds of {args.steps} steps in turns; ms a step")
    print(f"{'':22} {'':10} {'best':>8} {'median':>8} {'of PyTorch':>12}")
    for job in args.jobs.split(","):
        path = ROOT / f"configs/sequence/{job}.toml"
        config = tomllib.loads(path.read_text())
        model, batches, loss_of = JOBS[job](config, path)
        times = {"pytorch": [], **{backend: [] for backend in args.backends.split(",")}}
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(args.rounds):
                times["pytorch"] += timed(model, config, batches, loss_of, args.steps)
                for backend in args.backends.split(","):
                    times[backend] += train(args.binary, backend, path, args.steps, folder)
        reference = statistics.median(times["pytorch"])
        for name, values in times.items():
            median = statistics.median(values)
            print(f"{job:22} {name:10} {min(values):8.2f} {median:8.2f} {median / reference:11.2f}x", flush=True)


if __name__ == "__main__":
    main()
