"""CIFAR-10 in PyTorch, for the figures of `configs/vision-transfer/`: from the archive of JPEG files that Kiln reads too.

python benches/cifar10.py published            the published ResNet checkpoints on the 10,000 test pictures
python benches/cifar10.py train [--seeds 1]    ResNet-20 from scratch with the settings of cifar10-resnet20-from-scratch.toml

(torch 2.15, pillow; $KILN_DATA or ../shared/data holds the data and the checkpoints)
"""

import argparse
import io
import math
import os
import tarfile
import time
import tomllib
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("KILN_DATA", ROOT.parent / "shared" / "data"))
CONFIG = ROOT / "configs" / "vision-transfer" / "cifar10-resnet20-from-scratch.toml"
# Those that the checkpoints were trained with.
IMAGENET = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.more = stride, outputs - inputs

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.more or self.stride > 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        return F.relu(y + x)


class ResNet(nn.Module):
    """The network of 6 n + 2 layers for CIFAR-10 (arXiv:1512.03385, section 4.2), shortcuts without parameters."""

    def __init__(self, n, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = [16, 16, 32, 64]
        for i, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
            blocks = [Block(inputs if j == 0 else outputs, outputs, 2 if i and j == 0 else 1) for j in range(n)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def pictures(part):
    """All pictures of a part as bytes [n, 3, 32, 32] and their classes, in the order of their paths."""
    found = []
    with tarfile.open(DATA / "cifar10-images" / "cifar10-full-50000-10000.tar.gz") as archive:
        for member in archive:
            name = member.name.removeprefix("./").split("/")
            if member.isfile() and part in name:
                picture = Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB")
                found.append((member.name, name[-2], torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)))
    found.sort()
    classes = sorted({label for _, label, _ in found})
    pixels = torch.stack([pixels.view(32, 32, 3).permute(2, 0, 1) for _, _, pixels in found])
    return pixels, torch.tensor([classes.index(label) for _, label, _ in found])


def normalised(pixels, mean, std):
    return (pixels.float() / 255 - mean.view(3, 1, 1)) / std.view(3, 1, 1)


@torch.no_grad()
def accuracy(model, pixels, labels, mean, std):
    model.eval()
    parts = zip(pixels.split(500), labels.split(500))
    return sum(int((model(normalised(x, mean, std)).argmax(1) == y).sum()) for x, y in parts) / len(labels)


def published():
    pixels, labels = pictures("test")
    for name, n in (("resnet20-12fca82f", 3), ("resnet32-d509ac18", 5), ("resnet56-4bfd9763", 9)):
        path = DATA / "weights" / "cifar10-resnet" / f"{name}.th"
        saved = torch.load(path, map_location="cpu", weights_only=True)
        model = ResNet(n)
        # The checkpoints have no count of batches.
        model.load_state_dict({key.removeprefix("module."): value for key, value in saved["state_dict"].items()}, strict=False)
        print(f"{name}: accuracy {accuracy(model, pixels, labels, *IMAGENET):.4f}", flush=True)


def train(seed, epochs):
    config = tomllib.loads(CONFIG.read_text())
    batch_size, padding = config["data"]["batch_size"], config["data"]["augment"]["crop"]["padding"]
    rates, warmup = config["optimizer"], config["lr_scheduler"]["warmup_steps"]
    assert rates["kind"] == "sgd" and config["lr_scheduler"]["kind"] == "cosine"
    torch.manual_seed(seed)
    pixels, labels = pictures("train")
    mean, std = (of(dim=(0, 2, 3)) / 255 for of in (pixels.float().mean, pixels.float().std))
    model = ResNet(3)
    optimizer = torch.optim.SGD(model.parameters(), lr=rates["learning_rate"], momentum=rates["momentum"],
                                nesterov=rates["nesterov"], weight_decay=rates["weight_decay"])
    steps_per_epoch = math.ceil(len(labels) / batch_size)
    steps = epochs * steps_per_epoch

    def factor(step):
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))

    step, began = 0, time.perf_counter()
    for epoch in range(epochs):
        model.train()
        for batch in torch.randperm(len(labels)).split(batch_size):
            padded = F.pad(pixels[batch], [padding] * 4)
            y, x = torch.randint(0, 2 * padding + 1, (2, len(batch)))
            flip = torch.rand(len(batch)) < config["data"]["augment"]["horizontal_flip"]
            cropped = torch.stack([p[:, top:top + 32, left:left + 32] for p, top, left in zip(padded, y, x)])
            cropped = torch.where(flip.view(-1, 1, 1, 1), cropped.flip(3), cropped)
            for group in optimizer.param_groups:
                group["lr"] = rates["learning_rate"] * factor(step)
            loss = F.cross_entropy(model(normalised(cropped, mean, std)), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        seconds = time.perf_counter() - began
        print(f"seed {seed}, epoch {epoch + 1}: loss {loss.item():.3f}, {seconds:.0f} s", flush=True)
    pixels, labels = pictures("test")
    print(f"seed {seed}: test accuracy {accuracy(model, pixels, labels, mean, std):.4f} after {step} steps", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["published", "train"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="default: those of the config")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.what == "published":
        published()
    for seed in range(arguments.seeds if arguments.what == "train" else 0):
        train(seed, arguments.epochs or tomllib.loads(CONFIG.read_text())["training"]["epochs"])
