"""Times a training step of the vision family, PyTorch beside `train` in turns, and the peak memory of each process:

- `resnet20`: ResNet-20 on CIFAR-10 as `cifar10-resnet20-from-scratch.toml` has it, batch 128;
- `resnet50-frozen`: the head of a ResNet-50 at 224 × 224, batch 8, its trunk frozen (no features kept);
- `vgg16`: the first phase of `cifar10-vgg16-finetune.toml`, convolutions frozen, 64 × 64, at batch 16.

`train` is timed as a user runs it, decoding, augmentation and loop included: the steps per second that it logs. PyTorch has its batches ready
as tensors. (torch 2.15, torchvision; $KILN_DATA or ../shared/data holds the pictures)
"""

import argparse
import multiprocessing
import resource
import statistics
import tempfile
import time
from pathlib import Path

import kiln
from kiln import ROOT

CONFIG = ROOT / "configs" / "vision-transfer" / "cifar10-resnet20-from-scratch.toml"
WINDOW = 10  # steps in one measurement

CIFAR = {"data.source": "$KILN_DATA/cifar10-images/cifar10-subset-5000-1000.tar.gz"}
FROZEN = {
    "data.source": "$KILN_DATA/hymenoptera/hymenoptera_data.tar.gz",
    "data.image_size": 224,
    "data.batch_size": 8,
    "data.augment.crop": {"kind": "resized"},
    "model.architecture": "resnet50",
    "task.fine_tuning.freeze": ["trunk"],
    "optimizer.learning_rate": 0.001,
}
VGG = {
    **CIFAR,
    "data.batch_size": 16,
    "data.image_size": 64,
    "model.architecture": "vgg16",
    "task.fine_tuning.freeze": [f"block{block}" for block in range(1, 6)],
    "optimizer.learning_rate": 0.001,
}
JOBS = {"resnet20": CIFAR, "resnet50-frozen": FROZEN, "vgg16": VGG}


def pytorch(job, steps, threads, results):
    import torch
    import torch.nn.functional as F
    import torchvision

    from cifar10 import ResNet

    torch.set_num_threads(threads)
    if job == "resnet20":
        model, images, classes = ResNet(3), torch.randn(128, 3, 32, 32), 10
    elif job == "vgg16":
        model, images, classes = torchvision.models.vgg16(num_classes=10), torch.randn(16, 3, 64, 64), 10
        for parameter in model.features.parameters():
            parameter.requires_grad = False
    else:
        model, images, classes = torchvision.models.resnet50(num_classes=2), torch.randn(8, 3, 224, 224), 2
        for name, parameter in model.named_parameters():
            parameter.requires_grad = name.startswith("fc.")
        model.eval()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1e-3, momentum=0.9, nesterov=True, weight_decay=5e-4)
    labels = torch.randint(0, classes, (len(images),))
    times, start = [], time.perf_counter()
    for step in range(1, steps + 1):
        loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % WINDOW == 0:
            now = time.perf_counter()
            times.append((now - start) / WINDOW * 1000)
            start = now
    results.put((times[1:], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def in_own_process(job, steps, threads):
    """So that the peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=pytorch, args=(job, steps, threads, results))
    process.start()
    found = results.get()
    process.join()
    return found


def timed(binary, backend, settings, steps, folder):
    run = Path(folder) / f"{backend}-{time.time_ns()}"
    quiet = {"runs": str(folder), "training.log_every": f"{WINDOW} steps", "training.checkpoint_every": "never"}
    measure = ["/usr/bin/time", "-f", "%M"]
    said = kiln.train(binary, CONFIG, backend, run.name, {**quiet, **settings}, "--max-steps", steps, before=measure)
    return kiln.step_times(run), int(said.split()[-1]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=ROOT / "target/debug/train")
    parser.add_argument("--backends", default="flex,ndarray")
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    print(f"{arguments.threads} threads, {arguments.rounds} rounds of {arguments.steps} steps in turns; ms a step, and peak MB of the process")
    print(f"{'':16} {'':8} {'best':>7} {'median':>7} {'of PyTorch':>11} {'MB':>6}")
    for job in arguments.jobs:
        settings = JOBS[job]
        found = {name: ([], []) for name in ["pytorch", *arguments.backends.split(",")]}
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(arguments.rounds):
                for name, (times, peaks) in found.items():
                    measured = (
                        in_own_process(job, arguments.steps, arguments.threads)
                        if name == "pytorch"
                        else timed(arguments.binary, name, settings, arguments.steps, folder)
                    )
                    times += measured[0]
                    peaks.append(measured[1])
        reference = statistics.median(found["pytorch"][0])
        for name, (times, peaks) in found.items():
            median = statistics.median(times)
            print(f"{job:16} {name:8} {min(times):7.1f} {median:7.1f} {median / reference:10.2f}x {max(peaks):6.0f}", flush=True)


if __name__ == "__main__":
    main()
