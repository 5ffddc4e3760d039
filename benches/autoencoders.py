"""Autoencoders on the 10,000 pictures of MNIST's test file, PyTorch beside `train`, the same networks, steps, batches and rates:

- `denoise`: `denoise-mnist.toml`, PSNR and SSIM on the test part beside a median filter of 3 × 3;
- `vae`: `vae-mnist.toml`, the evidence lower bound of binarised pictures of the test part, and the bound of 50 samples.

The parts are 8,000, 1,000 and 1,000 pictures, drawn by either side on its own. PyTorch's training time is without reading and scoring; that of `train`
is the seconds of its steps. (torch 2.15, scikit-image, SciPy; $KILN_DATA or ../shared/data holds the pictures)
"""

import argparse
import gzip
import json
import math
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import kiln
from kiln import DATA, ROOT

CONFIGS = ROOT / "configs" / "generative"


def mnist(seed):
    """Pictures to learn from and to test."""
    raw = gzip.decompress((DATA / "mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())
    images = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28).astype(np.float32) / 255
    order = np.random.default_rng(seed).permutation(len(images))
    return images[order[:8000]], images[order[9000:]]


def networks(channels, hidden, latent, outputs):
    """The encoder and the decoder of crates/generative/src/autoencoder/codec.rs."""
    from torch import nn

    encoder, decoder, sizes = [], [], [1, *channels]
    for a, b in zip(sizes, sizes[1:]):
        encoder += [nn.Conv2d(a, b, 4, 2, 1), nn.ReLU()]
    side = 28 >> len(channels)
    encoder.append(nn.Flatten())
    flat = [sizes[-1] * side * side, *hidden]
    for a, b in zip(flat, flat[1:]):
        encoder += [nn.Linear(a, b), nn.ReLU()]
    encoder.append(nn.Linear(flat[-1], outputs))
    back = [latent, *reversed(flat)]
    for place, (a, b) in enumerate(zip(back, back[1:])):
        decoder += ([nn.ReLU()] if place else []) + [nn.Linear(a, b)]
    decoder.append(nn.Unflatten(1, (sizes[-1], side, side)))
    for b, a in reversed(list(zip(sizes, sizes[1:]))):
        decoder += [nn.ReLU(), nn.ConvTranspose2d(a, b, 4, 2, 1)]
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


def fit(parameters, images, epochs, rate, loss, batch=64):
    """Adam with a rate that falls along a cosine; the seconds that it took."""
    import torch

    optimizer = torch.optim.Adam(parameters, lr=rate)
    steps, step, start = epochs * (len(images) // batch), 0, time.perf_counter()
    for epoch in range(epochs):
        order = torch.randperm(len(images))
        for chosen in order.split(batch)[: len(images) // batch]:
            for group in optimizer.param_groups:
                group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            optimizer.zero_grad(set_to_none=True)
            loss(images[chosen], step).backward()
            optimizer.step()
            step += 1
    return time.perf_counter() - start


def pytorch_denoise(seed, epochs):
    import torch
    from scipy.ndimage import median_filter
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    torch.manual_seed(seed)
    learned, tested = map(torch.tensor, mnist(seed))
    encoder, decoder = networks([32, 64], [], 64, 64)
    damage = lambda x: (x + 0.5 * torch.randn_like(x)).clamp(0, 1)
    rebuild = lambda x: decoder(encoder(x)).sigmoid()
    parameters = [*encoder.parameters(), *decoder.parameters()]
    seconds = fit(parameters, learned, epochs, 2e-3, lambda x, _: (rebuild(damage(x)) - x).square().mean())
    with torch.no_grad():
        noisy = damage(tested)
        rebuilt = rebuild(noisy).numpy()
    scores = {}
    filtered = median_filter(noisy.numpy(), size=(1, 1, 3, 3), mode="nearest")
    wang = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0)
    for suffix, pictures in [("", rebuilt), ("_noisy", noisy.numpy()), ("_median_filter", filtered)]:
        pairs = list(zip(tested.numpy()[:, 0], pictures[:, 0]))
        scores[f"psnr{suffix}"] = np.mean([peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in pairs])
        scores[f"ssim{suffix}"] = np.mean([structural_similarity(a, b, **wang) for a, b in pairs])
    return scores, seconds


def pytorch_vae(seed, epochs):
    import torch
    from torch.nn import functional as F

    torch.manual_seed(seed)
    learned, tested = map(torch.tensor, mnist(seed))
    tested = torch.bernoulli(tested)
    encoder, decoder = networks([], [400, 200], 20, 40)

    def parts(x):
        mean, log_variance = encoder(x).chunk(2, 1)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        likelihood = -F.binary_cross_entropy_with_logits(decoder(code), x, reduction="none").flatten(1).sum(1)
        return likelihood, mean, log_variance, code

    def loss(x, step):
        likelihood, mean, log_variance, _ = parts(torch.bernoulli(x))
        divergence = 0.5 * (log_variance.exp() + mean**2 - 1 - log_variance).sum(1)
        return (min(1, (step + 1) / 500) * divergence - likelihood).mean()

    seconds = fit([*encoder.parameters(), *decoder.parameters()], learned, epochs, 1e-3, loss)
    normal = torch.distributions.Normal
    with torch.no_grad():
        weights = []
        for _ in range(50):
            likelihood, mean, log_variance, code = parts(tested)
            prior, posterior = normal(0.0, 1.0).log_prob(code), normal(mean, (log_variance / 2).exp()).log_prob(code)
            weights.append(likelihood + (prior - posterior).sum(1))
        divergence = 0.5 * (log_variance.exp() + mean**2 - 1 - log_variance).sum(1)
        bound = torch.logsumexp(torch.stack(weights), 0) - math.log(50)
    return {"elbo": (likelihood - divergence).mean().item(), "log_likelihood": bound.mean().item()}, seconds


def ours(binary, backend, config, seed, epochs, folder):
    name = f"{config}-{backend}-{seed}"
    settings = {"runs": str(folder), "training.epochs": epochs, "training.validate_every": f"{epochs} epochs", "training.checkpoint_every": "never"}
    kiln.train(binary, CONFIGS / f"{config}.toml", backend, name, settings, "--seed", seed)
    run = Path(folder) / name
    command = [str(binary), "eval", "--run", str(run), "--backend", backend]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    scores = dict(line.split() for line in printed.splitlines()[1:])
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {name: float(value) for name, value in scores.items()}, max(line["seconds"] for line in lines)


JOBS = {
    "denoise": ("denoise-mnist", 10, pytorch_denoise),
    "vae": ("vae-mnist", 30, pytorch_vae),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "target/debug/train")
    parser.add_argument("--backends", default="flex,ndarray")
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, help="of each job, in place of what its config says")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(arguments.threads)
    for job in arguments.jobs:
        config, epochs, reference = JOBS[job]
        epochs = arguments.epochs or epochs
        for seed in arguments.seeds:
            found = {"pytorch": reference(seed, epochs)}
            with tempfile.TemporaryDirectory() as folder:
                for backend in arguments.backends.split(","):
                    found[backend] = ours(arguments.binary, backend, config, seed, epochs, folder)
            names = found["pytorch"][0].keys()
            for side, (scores, seconds) in found.items():
                shown = "  ".join(f"{name} {scores[name]:.3f}" for name in names)
                print(f"{job:8} seed {seed}  {epochs} epochs  {side:8} {shown}  {seconds:6.1f} s", flush=True)


if __name__ == "__main__":
    main()
