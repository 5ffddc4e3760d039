"""Times a training step of GANs, one update of the generator and those of the discriminator, PyTorch beside `train` in turns:

- `dcgan-28`: `gan-digits.toml` with 64 base channels, binary cross entropy, batch norm in both networks;
- `wgan-gp-28`: `wgan-gp-mnist.toml`, whose critic makes three updates with a gradient penalty, a second derivative;
- `sngan-32`: `conditional-gan-cifar10.toml`, hinge loss, spectral norm, projection.

Batch 64. `train` is timed as a user runs it, data and loop included: the steps per second that it logs, without scores of pictures. PyTorch has
its pictures ready as tensors. ($KILN_DATA or ../shared/data holds the pictures)
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import kiln
from kiln import ROOT

CONFIGS = ROOT / "configs" / "generative"
WINDOW = 5  # steps in one measurement
BATCH = 64
JOBS = {
    "dcgan-28": ("gan-digits.toml", {"model.base_channels": 64}),
    "wgan-gp-28": ("wgan-gp-mnist.toml", {}),
    "sngan-32": ("conditional-gan-cifar10.toml", {}),
}


def networks(job):
    """Generator, discriminator, and a picture's channels and side, as the config has them."""
    import torch
    import torch.nn.functional as F
    from torch import nn
    from torch.nn.utils.parametrizations import spectral_norm

    channels, size, start, base, latent = {
        "dcgan-28": (1, 28, 7, 64, 64),
        "wgan-gp-28": (1, 28, 7, 32, 64),
        "sngan-32": (3, 32, 4, 64, 128),
    }[job]
    doublings = (size // start).bit_length() - 1
    classes, embedding = (10, 32) if job == "sngan-32" else (0, 0)
    spectral = spectral_norm if job == "sngan-32" else (lambda layer: layer)
    widths = [base << place for place in range(doublings)]

    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(classes, embedding) if classes else None
            layers, inputs = [], latent + embedding
            for place, width in enumerate(reversed(widths)):
                options = (start, 1, 0) if place == 0 else (4, 2, 1)
                layers += [nn.ConvTranspose2d(inputs, width, *options, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
                inputs = width
            self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(inputs, channels, 4, 2, 1), nn.Tanh())

        def forward(self, latents, labels):
            inputs = torch.cat([latents, self.embedding(labels)], 1) if classes else latents
            return self.layers(inputs[:, :, None, None])

    class Discriminator(nn.Module):
        def __init__(self):
            super().__init__()
            layers, inputs = [], channels
            for place, width in enumerate(widths):
                normalised = job == "dcgan-28" and place > 0
                layers.append(spectral(nn.Conv2d(inputs, width, 4, 2, 1, bias=not normalised)))
                layers += [nn.BatchNorm2d(width)] if normalised else []
                layers.append(nn.LeakyReLU(0.2))
                inputs = width
            self.layers = nn.Sequential(*layers)
            self.head = spectral(nn.Conv2d(inputs, 1, start))
            self.projection = spectral(nn.Embedding(classes, inputs)) if classes else None

        def forward(self, pictures, labels):
            seen = self.layers(pictures)
            score = self.head(seen).flatten()
            return score + (self.projection(labels) * seen.sum((2, 3))).sum(1) if classes else score

    def losses(real, made):
        if job == "dcgan-28":
            return F.softplus(-real).mean() + F.softplus(made).mean()
        if job == "sngan-32":
            return F.relu(1 - real).mean() + F.relu(1 + made).mean()
        return made.mean() - real.mean()

    def of_generator(made):
        return F.softplus(-made).mean() if job == "dcgan-28" else -made.mean()

    return Generator(), Discriminator(), (channels, size, latent), losses, of_generator


def pytorch(job, steps, threads):
    import torch

    torch.set_num_threads(threads)
    generator, discriminator, (channels, size, latent), losses, of_generator = networks(job)
    adam = lambda network: torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999))
    optimizers = adam(discriminator), adam(generator)
    averaged = [parameter.detach().clone() for parameter in [*generator.parameters(), *discriminator.parameters()]]
    pictures = torch.rand(16, BATCH, channels, size, size) * 2 - 1
    labels = torch.randint(0, 10, (BATCH,))
    times, began = [], time.perf_counter()
    for step in range(1, steps + 1):
        for update in range(3 if job == "wgan-gp-28" else 1):
            real = pictures[(step + update) % 16]
            with torch.no_grad():
                made = generator(torch.randn(BATCH, latent), labels)
            loss = losses(discriminator(real, labels), discriminator(made, labels))
            if job == "wgan-gp-28":
                between = (made + (real - made) * torch.rand(BATCH, 1, 1, 1)).requires_grad_()
                slope = torch.autograd.grad(discriminator(between, labels).sum(), between, create_graph=True)[0]
                loss = loss + 10 * (slope.flatten(1).norm(dim=1) - 1).square().mean()
            optimizers[0].zero_grad(set_to_none=True)
            loss.backward()
            optimizers[0].step()
        discriminator.requires_grad_(False)
        loss = of_generator(discriminator(generator(torch.randn(BATCH, latent), labels), labels))
        optimizers[1].zero_grad(set_to_none=True)
        loss.backward()
        optimizers[1].step()
        discriminator.requires_grad_(True)
        with torch.no_grad():
            torch._foreach_lerp_(averaged, [*generator.parameters(), *discriminator.parameters()], 0.01)
        if step % WINDOW == 0:
            now = time.perf_counter()
            times.append((now - began) / WINDOW * 1000)
            began = now
    return times[1:]


def timed(binary, backend, job, steps, folder):
    config, settings = JOBS[job]
    run = Path(folder) / f"{backend}-{time.time_ns()}"
    quiet = {
        "runs": str(folder),
        "task.features": "none",
        "training.log_every": f"{WINDOW} steps",
        "training.validate_every": "never",
        "training.checkpoint_every": "never",
        "training.monitor": "loss",
    }
    kiln.train(binary, CONFIGS / config, backend, run.name, {**quiet, **settings}, "--max-steps", steps)
    return kiln.step_times(run)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "target/debug/train")
    parser.add_argument("--backends", default="flex,ndarray")
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    print(f"{arguments.threads} threads, {arguments.rounds} rounds of {arguments.steps} steps in turns; ms a step")
    print(f"{'':12} {'':8} {'best':>7} {'median':>7} {'of PyTorch':>11}")
    for job in arguments.jobs:
        found = {name: [] for name in ["pytorch", *arguments.backends.split(",")]}
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(arguments.rounds):
                for name, times in found.items():
                    times += (
                        pytorch(job, arguments.steps, arguments.threads)
                        if name == "pytorch"
                        else timed(arguments.binary, name, job, arguments.steps, folder)
                    )
        reference = statistics.median(found["pytorch"])
        for name, times in found.items():
            median = statistics.median(times)
            print(f"{job:12} {name:8} {min(times):7.1f} {median:7.1f} {median / reference:10.2f}x", flush=True)


if __name__ == "__main__":
    main()
