"""Trains the classifier of `configs/sequence/sentiment-rt-polarity.toml` in PyTorch and with `train`, seed by seed.

Both see the same split, tokens and batches: the example `labelled_batches` of `crates/data` prints them. Sizes, schedule,
clipping, number of epochs and early stopping are read from the config; the score is that of the checkpoint with the best
validation accuracy on the test part.
"""

import argparse
import json
import math
import statistics
import subprocess
import tempfile
import time
import tomllib
from pathlib import Path

import torch
from torch import nn

from pytorch_classifier import Classifier, padded

ROOT = Path(__file__).resolve().parent.parent


def accuracy(model, data, part):
    model.eval()
    correct = count = 0
    with torch.no_grad():
        for batch in data[part]:
            tokens, lengths, labels = tensors(data, batch)
            correct += int((model(tokens, lengths).argmax(1) == labels).sum())
            count += len(batch)
    model.train()
    return correct / count


def tensors(data, batch):
    tokens, lengths = padded([data["tokens"][str(index)] for index in batch])
    return tokens, lengths, torch.tensor([data["labels"][str(index)] for index in batch])


def pytorch(config, data, seed):
    torch.manual_seed(seed)
    model_config, training, optimizer_config = config["model"], config["training"], config["optimizer"]
    assert model_config["pooling"] == "mean" and model_config["bidirectional"] and model_config["num_layers"] == 1
    assert config["task"]["label_smoothing"] == 0 and config["lr_scheduler"]["kind"] == "cosine"
    assert optimizer_config["kind"] == "adamw" and training["monitor"] == "accuracy"
    sizes = model_config["embedding_size"], model_config["hidden_size"], model_config["dropout"]
    model = Classifier(data["vocab_size"], len(data["classes"]), *sizes)
    rate = optimizer_config["learning_rate"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=optimizer_config["weight_decay"])
    steps = sum(len(epoch) for epoch in data["train"])
    warmup, floor = config["lr_scheduler"]["warmup_steps"], config["lr_scheduler"]["min_factor"]
    patience = training["early_stopping"]["patience"]

    def factor(step):
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min((step - warmup) / (steps - warmup), 1)))

    done, best, bad, weights = 0, -1.0, 0, None
    for epoch in data["train"]:
        for batch in epoch:
            tokens, lengths, labels = tensors(data, batch)
            for group in optimizer.param_groups:
                group["lr"] = rate * factor(done)
            loss = nn.functional.cross_entropy(model(tokens, lengths), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), training["clip_norm"])
            optimizer.step()
            done += 1
        score = accuracy(model, data, "validation")
        if score > best:
            best, bad, weights = score, 0, {name: value.clone() for name, value in model.state_dict().items()}
        else:
            bad += 1
            if bad >= patience:
                break
    model.load_state_dict(weights)
    return accuracy(model, data, "test")


def kiln(binary, backend, config, seed, folder):
    common = ["--config", config, "--backend", backend, "--quiet", "--set", f"runs={json.dumps(str(folder))}"]
    subprocess.run([str(part) for part in [binary, *common, "--seed", seed, "--name", f"seed-{seed}"]], check=True)
    command = [binary, "eval", "--run", Path(folder) / f"seed-{seed}", "--backend", backend]
    output = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
    return next(float(line.split()[1]) for line in output.splitlines() if line.split()[:1] == ["accuracy"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=ROOT / "target/debug/train")
    parser.add_argument("--config", type=Path, default=ROOT / "configs/sequence/sentiment-rt-polarity.toml")
    parser.add_argument("--backend", default="flex")
    parser.add_argument("--seeds", default="42,1,2")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = tomllib.loads(args.config.read_text())

    scores = {"pytorch": [], args.backend: []}
    print(f"{'seed':>6} {'pytorch':>9} {args.backend:>9}   test accuracy, and seconds")
    for seed in map(int, args.seeds.split(",")):
        example = ["cargo", "run", "-q", "-p", "data", "--example", "labelled_batches", "--", args.config, seed]
        output = subprocess.run([str(part) for part in example], check=True, capture_output=True, cwd=ROOT).stdout
        data = json.loads(output)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            reference = pytorch(config, data, seed)
            between = time.perf_counter()
            ours = kiln(args.binary, args.backend, args.config, seed, folder)
            ended = time.perf_counter()
        scores["pytorch"].append(reference)
        scores[args.backend].append(ours)
        print(f"{seed:6} {reference:9.4f} {ours:9.4f}   {between - began:.0f} s, {ended - between:.0f} s", flush=True)
    print(f"{'mean':>6} " + " ".join(f"{statistics.mean(values):9.4f}" for values in scores.values()))


if __name__ == "__main__":
    main()
