"""A GPT on Tiny Shakespeare, PyTorch beside `train`:

    python benches/gpt.py train             the whole training of a config in PyTorch: validation loss
    python benches/gpt.py steps             a training step in turns, at several sizes
    python benches/gpt.py generate --run R  tokens per second with a cache, from a trained run's sizes

The config gives sizes, schedule and steps.
"""

import argparse
import statistics
import subprocess
import tempfile
import time
import tomllib
from pathlib import Path

import torch
import torch.nn.functional as F

import kiln
from kiln import ROOT
from pytorch_transformer import Gpt, cosine, decay_groups

CONFIG = ROOT / "configs" / "transformer" / "gpt-shakespeare-cpu.toml"
WINDOW = 10  # steps in one measurement
SIZES = {
    "nanoGPT's CPU setting": {},
    "4 layers, width 256, batch 16, length 128": {"width": 256, "batch": 16, "length": 128},
    "2 layers, width 256, batch 4, length 1,024": {"width": 256, "batch": 4, "length": 1024, "layers": 2},
}


def read(config, text):
    characters = sorted(set(text))
    tokens = torch.tensor([characters.index(character) for character in text])
    split = len(tokens) - round(len(tokens) * config["data"]["validation_fraction"])
    return len(characters), tokens[:split], tokens[split:]


def windows(tokens, batch, length):
    starts = torch.randint(len(tokens) - length - 1, (batch,))
    at = starts[:, None] + torch.arange(length)
    return tokens[at], tokens[at + 1]


def validation_loss(model, tokens, length):
    """Mean nats over windows that follow each other; each begins anew."""
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(tokens) - 1, length * 64):
            part = tokens[start : start + length * 64 + 1]
            full = (len(part) - 1) // length * length
            for inputs, targets in [(part[:full], part[1 : full + 1])] if full else []:
                logits = model(inputs.view(-1, length))
                total += F.cross_entropy(logits.flatten(0, 1), targets, reduction="sum").item()
                count += full
    model.train()
    return total / count


def optimizer_of(model, settings):
    groups = decay_groups(model, settings["weight_decay"])
    return torch.optim.AdamW(groups, lr=settings["learning_rate"], betas=tuple(settings["betas"]), eps=settings["eps"])


def step(model, optimizer, inputs, targets, clip):
    loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimizer.step()
    return loss.detach()


def train(arguments, config, text):
    torch.manual_seed(arguments.seed)
    vocab, learned, held = read(config, text)
    model = Gpt(vocab, config["model"])
    optimizer = optimizer_of(model, config["optimizer"])
    steps = config["training"]["max_steps"]
    factor = cosine(config["lr_scheduler"], steps)
    batch, length = config["data"]["batch_size"], config["data"]["seq_len"]
    start = time.perf_counter()
    for done in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = config["optimizer"]["learning_rate"] * factor(done)
        step(model, optimizer, *windows(learned, batch, length), config["training"]["clip_norm"])
        if (done + 1) % 500 == 0 or done + 1 == steps:
            print(f"step {done + 1}: validation loss {validation_loss(model, held, length):.4f}, {time.perf_counter() - start:.0f} s", flush=True)


def settings_of(size):
    """As `--set` takes them."""
    settings = {}
    if size:
        settings["model.embedding_size"] = size["width"]
        settings["data.batch_size"] = size["batch"]
        settings["data.seq_len"] = settings["model.context_len"] = size["length"]
        settings["model.num_layers"] = size.get("layers", 4)
    return settings


def steps(arguments, config, text):
    print(f"{arguments.threads} threads, PyTorch {torch.__version__}, {arguments.rounds} rounds of {arguments.steps} steps in turns; ms a step")
    print(f"{'':44} {'':8} {'best':>8} {'median':>8} {'of PyTorch':>11}")
    vocab, learned, _ = read(config, text)
    for name, size in SIZES.items():
        settings = settings_of(size)
        sizes = dict(config["model"])
        sizes.update({key.split(".")[1]: value for key, value in settings.items() if key.startswith("model.")})
        batch = settings.get("data.batch_size", config["data"]["batch_size"])
        length = settings.get("data.seq_len", config["data"]["seq_len"])
        model = Gpt(vocab, sizes)
        optimizer = optimizer_of(model, config["optimizer"])
        found = {"pytorch": [], **{backend: [] for backend in arguments.backends.split(",")}}
        # Short steps need more of them to be timed.
        window = WINDOW if size else 10 * WINDOW
        count = arguments.steps // WINDOW * window
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(arguments.rounds):
                times, start = [], time.perf_counter()
                for done in range(1, count + 1):
                    step(model, optimizer, *windows(learned, batch, length), config["training"]["clip_norm"])
                    if done % window == 0:
                        now = time.perf_counter()
                        times.append((now - start) / window * 1000)
                        start = now
                found["pytorch"] += times[1:]
                for backend in arguments.backends.split(","):
                    run = Path(folder) / f"{backend}-{time.time_ns()}"
                    quiet = {"runs": folder, "training.log_every": f"{window} steps", "training.checkpoint_every": "never"}
                    quiet |= {"training.validate_every": "never", "task.sample_tokens": 0, **settings}
                    kiln.train(arguments.binary, CONFIG, backend, run.name, quiet, "--max-steps", count)
                    found[backend] += kiln.step_times(run)
        reference = statistics.median(found["pytorch"])
        for which, times in found.items():
            median = statistics.median(times)
            print(f"{name:44} {which:8} {min(times):8.2f} {median:8.2f} {median / reference:10.2f}x", flush=True)


def generate(arguments, config, text):
    vocab, learned, _ = read(config, text)
    model = Gpt(vocab, config["model"]).eval()
    for _ in range(arguments.rounds):
        start = time.perf_counter()
        model.generate(learned[None, :8], arguments.tokens)
        print(f"pytorch  {arguments.tokens / (time.perf_counter() - start):.0f} tokens/s", flush=True)
        for backend in arguments.backends.split(","):
            taken = []
            for tokens in (1, arguments.tokens):
                command = [arguments.binary, "generate", "--run", arguments.run, "--prompt", "KING RIC", "--tokens", tokens, "--backend", backend]
                start = time.perf_counter()
                subprocess.run([str(part) for part in command], check=True, capture_output=True, cwd=ROOT)
                taken.append(time.perf_counter() - start)
            print(f"{backend:8} {(arguments.tokens - 1) / (taken[1] - taken[0]):.0f} tokens/s, start and loading {taken[0]:.2f} s aside", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "steps", "generate"])
    parser.add_argument("--text", type=Path, default=kiln.DATA / "tinyshakespeare" / "input.txt")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--binary", default=ROOT / "target/debug/train")
    parser.add_argument("--backends", default="flex,ndarray")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--tokens", type=int, default=2000)
    parser.add_argument("--run", default="gpt-shakespeare-cpu")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = tomllib.loads(arguments.config.read_text())
    {"train": train, "steps": steps, "generate": generate}[arguments.what](arguments, config, arguments.text.read_text())


if __name__ == "__main__":
    main()
