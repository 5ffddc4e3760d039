"""The whole training of `wgan-gp-mnist.toml`, PyTorch beside `train`: the same networks, steps, batches, rates and moving average, and the Fréchet
distance of 1,000 pictures of each to the 10,000 of MNIST's test file.

Both are measured here, by the features of the classifier that the run of `train` keeps (`features.safetensors`), which PyTorch computes. `train eval`
says its own distance, to the training part alone. (torch, NumPy, SciPy, Pillow, safetensors; $KILN_DATA or ../shared/data holds the pictures)
"""

import argparse
import gzip
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.linalg import sqrtm

import kiln
from gan import BATCH, CONFIGS, networks
from kiln import DATA, ROOT

CRITIC_STEPS, RATE, BETAS, DECAY, PENALTY = 3, 5e-4, (0.0, 0.9), 0.99, 10
COUNT = 1000


def mnist():
    raw = gzip.decompress((DATA / "mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())
    return np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 1, 28, 28)


def pytorch(steps, seed, threads):
    """1,000 pictures of a generator that PyTorch trains, 0 to 255, and the seconds of its training."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    generator, discriminator, (_, _, latent), losses, of_generator = networks("wgan-gp-28")
    # As crates/generative/src/gan/dcgan.rs draws them.
    for network in [generator, discriminator]:
        for layer in network.modules():
            if isinstance(layer, torch.nn.ConvTranspose2d):
                torch.nn.init.normal_(layer.weight, 0, 0.02)
            elif isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if getattr(layer, "bias", None) is not None:
                torch.nn.init.zeros_(layer.bias)
    pictures = torch.from_numpy(mnist()[:9000].astype(np.float32)) / 127.5 - 1
    of_critic, of_maker = (torch.optim.Adam(net.parameters(), RATE, BETAS) for net in [discriminator, generator])
    averaged = [parameter.detach().clone() for parameter in generator.parameters()]
    order, began = iter(()), time.perf_counter()
    for _ in range(steps):
        for _ in range(CRITIC_STEPS):
            chosen = next(order, None)
            if chosen is None:
                order = iter(torch.randperm(len(pictures))[: len(pictures) // BATCH * BATCH].split(BATCH))
                chosen = next(order)
            real = pictures[chosen]
            with torch.no_grad():
                made = generator(torch.randn(BATCH, latent), None)
            between = (made + (real - made) * torch.rand(BATCH, 1, 1, 1)).requires_grad_()
            slope = torch.autograd.grad(discriminator(between, None).sum(), between, create_graph=True)[0]
            loss = losses(discriminator(real, None), discriminator(made, None))
            loss = loss + PENALTY * (slope.flatten(1).norm(dim=1) - 1).square().mean()
            of_critic.zero_grad(set_to_none=True)
            loss.backward()
            of_critic.step()
        discriminator.requires_grad_(False)
        loss = of_generator(discriminator(generator(torch.randn(BATCH, latent), None), None))
        of_maker.zero_grad(set_to_none=True)
        loss.backward()
        of_maker.step()
        discriminator.requires_grad_(True)
        with torch.no_grad():
            torch._foreach_lerp_(averaged, list(generator.parameters()), 1 - DECAY)
    seconds = time.perf_counter() - began
    with torch.no_grad():
        for parameter, average in zip(generator.parameters(), averaged):
            parameter.copy_(average)
        made = generator.eval()(torch.randn(COUNT, latent), None)
    return ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy(), seconds


def of_kiln(binary, backend, steps, seed, folder):
    """The same of `train`, the features' file, and what `eval` says."""
    run = Path(folder) / "run"
    settings = {"runs": str(folder), "training.seed": seed, "training.validate_every": "500 steps"}
    kiln.train(binary, CONFIGS / "wgan-gp-mnist.toml", backend, run.name, settings, "--max-steps", steps)
    grid = Path(folder) / "grid.png"
    call = lambda *words: subprocess.run([str(word) for word in [binary, *words]], cwd=ROOT, check=True, text=True, capture_output=True).stdout
    call("generate", "--run", run, "--checkpoint", "last", "--n", COUNT, "--out", grid)
    said = call("eval", "--run", run, "--checkpoint", "last")
    sheet = np.asarray(Image.open(grid).convert("L"))
    columns = (sheet.shape[1] + 1) // 29
    cut = lambda index: sheet[index // columns * 29 :][:28, index % columns * 29 :][:, :28]
    made = np.stack([cut(index) for index in range(COUNT)])[:, None]
    last = [line for line in (run / "metrics.jsonl").read_text().splitlines() if '"split":"train"' in line][-1]
    return made, run / "features.safetensors", json.loads(last)["seconds"], said


def features(pictures, file):
    """What crates/generative/src/task/features.rs sees."""
    import torch
    import torch.nn.functional as F
    from safetensors.torch import load_file

    weights = load_file(file)
    x = torch.from_numpy(pictures.astype(np.float32)) / 127.5 - 1
    block = 0
    while f"blocks.{block}.conv.weight" in weights:
        of = lambda name: weights[f"blocks.{block}.norm.{name}"]
        x = F.conv2d(x, weights[f"blocks.{block}.conv.weight"], padding=1)
        x = F.relu(F.batch_norm(x, of("running_mean"), of("running_var"), of("weight"), of("bias")))
        x = F.max_pool2d(x, 2) if min(x.shape[2:]) >= 4 else x
        block += 1
    return x.mean((2, 3)).double().numpy()


def frechet(a, b):
    of_a, of_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(of_a @ of_b).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(of_a + of_b - 2 * root))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/debug/train")
    parser.add_argument("--backend", default="flex")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sheets", type=Path, help="folder for a grid of 64 pictures of each")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made, file, seconds, said = of_kiln(arguments.binary.resolve(), arguments.backend, arguments.steps, arguments.seed, folder)
        real = features(mnist(), file)
        print(f"{arguments.backend}: FID {frechet(features(made, file), real):.2f}, {seconds:.0f} s")
        print("eval:", " ".join(said.split()))
        theirs, seconds = pytorch(arguments.steps, arguments.seed, arguments.threads)
        print(f"PyTorch: FID {frechet(features(theirs, file), real):.2f}, {seconds:.0f} s")
        few = np.random.default_rng(0).permutation(len(real))[:COUNT]
        print(f"1,000 real pictures: FID {frechet(real[few], np.delete(real, few, 0)):.2f}")
    if arguments.sheets:
        for name, pictures in [(arguments.backend, made), ("pytorch", theirs)]:
            sheet = pictures[:64, 0].reshape(8, 8, 28, 28).transpose(0, 2, 1, 3).reshape(224, 224)
            Image.fromarray(sheet).save(arguments.sheets / f"wgan-gp-{name}.png")


if __name__ == "__main__":
    main()
