"""The classifiers of `configs/transformer/bert-rt-polarity.toml` and `vit-cifar10.toml` in PyTorch, beside runs of `train`.

    python benches/transformer_scores.py runs/bert-rt-polarity runs/vit-cifar10

Settings are those of each run's `config.toml`, its tokenizer is read, and the split and the batches of every epoch are those of the
run; initial weights, dropout and the changes of pictures are other draws of the same distributions. The checkpoint with the best
validation accuracy is tested, as `train eval` tests it: run that first, or there is no test accuracy of the run to print.
Seconds are of the training with its validations: elapsed, and for PyTorch also those of the process on all cores. On busy cores set
OMP_WAIT_POLICY=PASSIVE, or PyTorch's threads spin while they wait for each other.

(torch, tokenizers, pillow; $KILN_DATA or ../shared/data holds the data)
"""

import argparse
import io
import json
import statistics
import tarfile
import time
import tomllib
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from tokenizers import Tokenizer

import kiln
from dealing import batches, split
from pytorch_classifier import padded
from pytorch_transformer import BertClassifier, Vit, cosine, decay_groups


class Texts:
    """Sentences, one a line, in one file per class."""

    def __init__(self, run, config):
        self.data = data = config["data"]
        assert data["bucket_by_length"] and data["tokenizer"]["kind"] == "word"
        files = sorted(located(data["source"]).iterdir())
        lines = [[line.strip() for line in file.read_text(encoding=data["encoding"]).split("\n")] for file in files]
        texts = [(text, label) for label, found in enumerate(lines) for text in found if text]
        sentences, self.labels = zip(*texts)
        fractions = data["validation_fraction"], data["test_fraction"]
        self.train, self.validation, self.test = split(sentences, self.labels, *fractions, data["split_seed"])
        tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
        self.tokens = [encoded.ids[: data["max_len"]] or [tokenizer.token_to_id("<unk>")] for encoded in tokenizer.encode_batch(sentences)]
        self.lengths = list(map(len, self.tokens))
        self.model = BertClassifier(tokenizer.get_vocab_size(), len(files), config["model"])

    def epoch(self, seed, epoch):
        return batches(self.train, self.data["batch_size"], seed, epoch, self.lengths)

    def fixed(self, part):
        return groups(sorted(part, key=self.lengths.__getitem__), self.data["batch_size"])

    def logits(self, places):
        return self.model(*padded([self.tokens[place] for place in places]))


class Pictures:
    """Small colour pictures in an archive, by part and class."""

    def __init__(self, run, config):
        self.data = data = config["data"]
        found = {}
        with tarfile.open(located(data["source"])) as archive:
            for member in archive:
                if member.isfile() and member.name.endswith(".jpg"):
                    picture = Image.open(io.BytesIO(archive.extractfile(member).read())).convert("RGB")
                    found[member.name.removeprefix("./")] = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
        names = sorted(found)
        side = picture.width
        self.pixels = torch.stack([found[name].view(side, side, 3).permute(2, 0, 1) for name in names])
        classes = sorted({name.split("/")[-2] for name in names})
        self.labels = [classes.index(name.split("/")[-2]) for name in names]
        self.test = [place for place, name in enumerate(names) if name.split("/")[-3] == "test"]
        given = [place for place, name in enumerate(names) if name.split("/")[-3] == "train"]
        assert len(given) + len(self.test) == len(names)
        fractions = data["validation_fraction"], 0.0
        labels = [self.labels[place] for place in given]
        parts = split([names[place] for place in given], labels, *fractions, data["split_seed"], together=False)
        self.train, self.validation = ([given[place] for place in part] for part in parts[:2])
        assert data["normalize"] == "training"
        seen = self.pixels[self.train].float() / 255
        self.mean, self.std = seen.mean((0, 2, 3)).view(3, 1, 1), seen.std((0, 2, 3)).view(3, 1, 1)
        self.padding, self.flip = data["augment"]["crop"]["padding"], data["augment"]["horizontal_flip"]
        self.model = Vit(side, len(classes), config["model"])

    def epoch(self, seed, epoch):
        return batches(self.train, self.data["batch_size"], seed, epoch)

    def fixed(self, part):
        return groups(part, self.data["batch_size"])

    def logits(self, places):
        pixels = self.pixels[places]
        if self.model.training:
            pixels = self.changed(pixels)
        return self.model((pixels.float() / 255 - self.mean) / self.std)

    def changed(self, pixels):
        """Moved by up to `padding` pixels, with black from outside, and flipped or not."""
        side, most = pixels.shape[-1], 2 * self.padding
        moves = torch.randint(0, most + 1, (len(pixels), 2)).tolist()
        outside = F.pad(pixels, [self.padding] * 4)
        moved = torch.stack([picture[:, y : y + side, x : x + side] for picture, (y, x) in zip(outside, moves)])
        return torch.where(torch.rand(len(pixels), 1, 1, 1) < self.flip, moved.flip(3), moved)


JOBS = {"bert-classification": Texts, "vit-classification": Pictures}


def located(source):
    return Path(source.replace("$KILN_DATA", str(kiln.DATA)))


def groups(part, size):
    return [part[at : at + size] for at in range(0, len(part), size)]


@torch.no_grad()
def accuracy(job, part):
    job.model.eval()
    right = sum(int((job.logits(group).argmax(1) == labels(job, group)).sum()) for group in job.fixed(part))
    job.model.train()
    return right / len(part)


def labels(job, places):
    return torch.tensor([job.labels[place] for place in places])


def validation_epochs(training):
    """The epochs after which there is a validation."""
    count, unit = training["validate_every"].split()
    assert unit in ("epoch", "epochs")
    last = training["epochs"]
    return {*range(int(count), last + 1, int(count)), last}


def trained(job, config):
    """The best validation accuracy, with the weights that have it in the model."""
    training, settings, schedule = config["training"], config["optimizer"], config["lr_scheduler"]
    assert settings["kind"] == "adamw" and schedule["kind"] == "cosine" and training["monitor"] == "accuracy"
    smoothing, seed, validated = config["task"]["label_smoothing"], training["seed"], validation_epochs(training)
    parts = decay_groups(job.model, settings["weight_decay"])
    optimizer = torch.optim.AdamW(parts, betas=tuple(settings["betas"]), eps=settings["eps"])
    steps = training["epochs"] * -(-len(job.train) // config["data"]["batch_size"])
    factor, patience = cosine(schedule, steps), training.get("early_stopping", {}).get("patience", steps)
    done, best, bad, weights = 0, -1.0, 0, None
    for epoch in range(training["epochs"]):
        for group in job.epoch(seed, epoch):
            for part in optimizer.param_groups:
                part["lr"] = settings["learning_rate"] * factor(done)
            loss = F.cross_entropy(job.logits(group), labels(job, group), label_smoothing=smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(job.model.parameters(), training["clip_norm"])
            optimizer.step()
            done += 1
        if epoch + 1 not in validated:
            continue
        score = accuracy(job, job.validation)
        print(f"    epoch {epoch + 1}: loss {loss.item():.3f}, validation accuracy {score:.4f}", flush=True)
        if score > best:
            best, bad, weights = score, 0, {name: value.clone() for name, value in job.model.state_dict().items()}
        else:
            bad += 1
            if bad >= patience:
                break
    job.model.load_state_dict(weights)
    return best


def scores_of(run):
    """Validation accuracy, test accuracy and seconds of a run."""
    best = max(metrics["accuracy"] for metrics in kiln.rows(run, "validation"))
    table = run / "report" / "test.json"
    rows = json.loads(table.read_text())["rows"] if table.exists() else []
    test = next((float(value) for score, value in rows if score == "accuracy"), float("nan"))
    last = (run / "metrics.jsonl").read_text().splitlines()[-1]
    return best, test, json.loads(last)["seconds"]


def compare(run):
    config = tomllib.loads((run / "config.toml").read_text())
    torch.manual_seed(config["training"]["seed"])
    job = JOBS[config["job"]](run, config)
    count = sum(parameter.numel() for parameter in job.model.parameters())
    parts = f"{len(job.train):,} + {len(job.validation):,} + {len(job.test):,} examples"
    print(f"{run}: {config['job']}, seed {config['training']['seed']}, {count:,} parameters, {parts}", flush=True)
    began, process_began = time.perf_counter(), time.process_time()
    best = trained(job, config)
    seconds, process = time.perf_counter() - began, time.process_time() - process_began
    theirs = best, accuracy(job, job.test), seconds
    ours = scores_of(run)
    for name, (validation, test, seconds), more in (("PyTorch", theirs, f" ({process:.0f} s of cores)"), (config["backend"], ours, "")):
        print(f"  {name:>8}: validation {validation:.4f}, test {test:.4f}, {seconds:.0f} s{more}", flush=True)
    return theirs[1], ours[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    tests = [compare(run) for run in arguments.runs]
    if len(tests) > 1:
        theirs, ours = map(statistics.mean, zip(*tests))
        print(f"mean test accuracy: PyTorch {theirs:.4f}, train {ours:.4f}")


if __name__ == "__main__":
    main()
