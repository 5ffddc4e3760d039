"""Trains the model of `configs/sequence/char-lstm.toml` in PyTorch, to hold its validation loss against.

Same sizes, split, batches, schedule and number of steps; read from the config itself.
"""

import argparse
import math
import time
import tomllib
from pathlib import Path

import torch
from torch import nn

from pytorch_lm import LanguageModel, contiguous_windows, detach


def validation_loss(model, tokens, batch_size, seq_len):
    """Mean nats over every validation token but the first, the state carried along each of the streams."""
    model.eval()
    targets = len(tokens) - 1
    length = math.ceil(targets / batch_size)
    total, state = 0.0, None
    padded = torch.full((batch_size * length + 1,), -100)
    padded[: len(tokens)] = tokens
    inputs = padded[:-1].clamp(min=0).view(batch_size, length)
    goals = padded[1:].view(batch_size, length)
    with torch.no_grad():
        for start in range(0, length, seq_len):
            logits, state = model(inputs[:, start : start + seq_len], state)
            goal = goals[:, start : start + seq_len].flatten()
            total += nn.functional.cross_entropy(logits.flatten(0, 1), goal, ignore_index=-100, reduction="sum").item()
    model.train()
    return total / targets


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--config", type=Path, default=Path(__file__).parent.parent / "configs/sequence/char-lstm.toml")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    config = tomllib.loads(args.config.read_text())
    data, model_config, training = config["data"], config["model"], config["training"]
    optimizer_config, schedule = config["optimizer"], config["lr_scheduler"]

    text = args.text.read_text()
    alphabet = sorted(set(text))
    tokens = torch.tensor([alphabet.index(character) for character in text])
    split = len(tokens) - round(len(tokens) * data["validation_fraction"])
    train, validation = tokens[:split], tokens[split:]
    sizes = data["batch_size"], data["seq_len"]

    model = LanguageModel(
        len(alphabet),
        model_config["embedding_size"],
        model_config["hidden_size"],
        model_config["num_layers"],
        model_config["dropout"],
    )
    rate, steps = optimizer_config["learning_rate"], training["max_steps"]
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=rate,
        betas=tuple(optimizer_config["betas"]),
        eps=optimizer_config["eps"],
        weight_decay=optimizer_config["weight_decay"],
    )
    assert schedule["kind"] == "cosine"
    warmup, floor = schedule["warmup_steps"], schedule["min_factor"]

    def factor(step):
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min((step - warmup) / (steps - warmup), 1)))

    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(alphabet)} characters, {split:,} training tokens")
    done, started = 0, time.perf_counter()
    while done < steps:
        state = None
        offset = int(torch.randint(len(train), ()))
        for inputs, targets in contiguous_windows(train, *sizes, offset):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor(done)
            logits, state = model(inputs, state)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), training["clip_norm"])
            optimizer.step()
            state = detach(state)
            done += 1
            if done % 500 == 0 or done == steps:
                score = validation_loss(model, validation, *sizes)
                elapsed = time.perf_counter() - started
                print(f"step {done}  train {loss.item():.4f}  validation {score:.4f}  {elapsed:.0f} s", flush=True)
            if done == steps:
                break


if __name__ == "__main__":
    main()
