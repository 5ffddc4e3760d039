"""Transfer against training from scratch: `few-images-finetune.toml` with pretrained weights and without, at several sizes of
training set, on the ants and bees (published weights of CIFAR-10) and on four classes of CIFAR-10 (weights of a network that is
trained first, on the other six). The score is that of the last step, on the part that is not trained on; settings, steps and
pictures are the same for both.

python benches/transfer.py --seeds 3 [--binary target/debug/train]
"""

import argparse
import statistics
import subprocess
import tempfile
from pathlib import Path

import kiln
from kiln import ROOT

CONFIG = ROOT / "configs" / "vision-transfer" / "few-images-finetune.toml"
SCRATCH = ROOT / "configs" / "vision-transfer" / "cifar10-resnet20-from-scratch.toml"
ARCHIVE = {"data.source": "$KILN_DATA/cifar10-images/cifar10-full-50000-10000.tar.gz"}
OTHERS = {**ARCHIVE, "data.classes": ["airplane", "automobile", "deer", "horse", "ship", "truck"], "training.epochs": 5}
CIFAR = {
    **ARCHIVE,
    "data.classes": ["bird", "cat", "dog", "frog"],
    "data.image_size": 32,
    "data.augment.crop": {"kind": "pad", "padding": 4},
}
TASKS = {"ants and bees": {}, "four classes of CIFAR-10": CIFAR}
SIZES = [5, 20, 100]
STARTS = {"pretrained": {}, "from scratch": {"model.pretrained": "none", "task.fine_tuning": {}, "data.normalize": "imagenet"}}


def on_the_other_classes(binary, backend, folder):
    """A network that has seen none of the four classes."""
    kiln.train(binary, SCRATCH, backend, "others", {"runs": folder, **OTHERS})
    return {"model.pretrained": "run:others"}


def score(binary, backend, settings, seed, folder):
    name = f"run-{len(list(Path(folder).iterdir()))}"
    settings = {"runs": folder, "data.split_seed": seed, **settings}
    kiln.train(binary, CONFIG, backend, name, settings, "--seed", seed)
    run = Path(folder) / name
    if "data.classes" in settings:
        # The test part, which CIFAR-10 has.
        evaluation = [binary, "eval", "--run", run, "--checkpoint", "last", "--backend", backend]
        printed = subprocess.run([str(part) for part in evaluation], check=True, cwd=ROOT, capture_output=True, text=True).stdout
        return next(float(line.split()[1]) for line in printed.splitlines() if line.split()[0] == "accuracy")
    return kiln.rows(run, "validation")[-1]["accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=ROOT / "target/debug/train")
    parser.add_argument("--backend", default="flex")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for task, settings in TASKS.items():
            if task not in arguments.tasks:
                continue
            if settings:
                settings = {**settings, **on_the_other_classes(arguments.binary, arguments.backend, folder)}
            for size in SIZES:
                for start, changes in STARTS.items():
                    given = {**settings, **changes, "data.train_images_per_class": size}
                    scores = [score(arguments.binary, arguments.backend, given, seed, folder) for seed in range(arguments.seeds)]
                    mean, each = statistics.mean(scores), " ".join(f"{value:.3f}" for value in scores)
                    print(f"{task}, {size} a class, {start}: {mean:.3f} ({each})", flush=True)


if __name__ == "__main__":
    main()
