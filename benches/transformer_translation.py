"""The translator of `configs/transformer/transformer-multi30k.toml` in PyTorch, with the tokenizers of a run of `train`, the same
settings, schedule, steps and way of batching; BLEU on the test part by greedy decoding, as sacreBLEU has it.

    python benches/transformer_translation.py --run runs/transformer-multi30k [--epochs 10]

(torch, tokenizers, sacrebleu; $KILN_DATA or ../shared/data holds the pairs)
"""

import argparse
import gzip
import random
import time
import tomllib
from pathlib import Path

import sacrebleu
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import kiln
from pytorch_transformer import Seq2Seq, cosine, decay_groups
from pytorch_translator import BUCKET


def read(part, language):
    with gzip.open(kiln.DATA / "multi30k" / f"{part}.{language}.gz", "rt", encoding="utf-8") as lines:
        return [line.strip() for line in lines]


def padded(rows, filler):
    lengths = torch.tensor([len(row) for row in rows])
    table = torch.full((len(rows), int(lengths.max())), filler)
    for row, values in zip(table, rows):
        row[: len(values)] = torch.tensor(values)
    return table, lengths


def batches(pairs, size, seed):
    order = random.Random(seed)
    pairs = order.sample(pairs, len(pairs))
    groups = []
    for start in range(0, len(pairs), BUCKET * size):
        bucket = sorted(pairs[start : start + BUCKET * size], key=lambda pair: (len(pair[1]), len(pair[0])))
        groups += [bucket[at : at + size] for at in range(0, len(bucket), size)]
    order.shuffle(groups)
    return groups


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    config = tomllib.loads((arguments.run / "config.toml").read_text())
    data, settings = config["data"], config["optimizer"]
    source, target = (Tokenizer.from_file(str(arguments.run / f"{side}-tokenizer.json")) for side in ("source", "target"))
    ends = source.get_vocab_size(), target.get_vocab_size()

    def encoded(part):
        sides = read(part, data["from"]), read(part, data["to"])
        rows = zip(*([e.ids for e in t.encode_batch(side)] for t, side in zip((source, target), sides)))
        return [(de + [ends[0]], en) for de, en in rows]

    train = [pair for pair in encoded(data["train"]) if max(len(pair[0]) - 1, len(pair[1])) <= data["max_len"]]
    model = Seq2Seq(ends[0] + 1, ends[1] + 1, config["model"])
    epochs = arguments.epochs or config["training"]["epochs"]
    steps = epochs * -(-len(train) // data["batch_size"])
    optimizer = torch.optim.AdamW(decay_groups(model, settings.get("weight_decay", 0.0)), betas=tuple(settings["betas"]), eps=settings["eps"])
    factor = cosine(config["lr_scheduler"], steps)
    smoothing, clip = config["task"]["label_smoothing"], config["training"]["clip_norm"]
    done, start = 0, time.perf_counter()
    for epoch in range(epochs):
        for group in batches(train, data["batch_size"], epoch):
            sources, lengths = padded([de for de, _ in group], 0)
            inputs, _ = padded([[ends[1], *en] for _, en in group], ends[1])
            goals, _ = padded([[*en, ends[1]] for _, en in group], -100)
            for part in optimizer.param_groups:
                part["lr"] = settings["learning_rate"] * factor(done)
            logits = model.decode(inputs, *model.encode(sources, lengths))
            loss = F.cross_entropy(logits.flatten(0, 1), goals.flatten(), ignore_index=-100, label_smoothing=smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            done += 1
        model.eval()
        written = []
        test = encoded(data["test"])
        for at in range(0, len(test), 64):
            sources, lengths = padded([de for de, _ in test[at : at + 64]], 0)
            written += model.greedy(sources, lengths, ends[1], 2 * int(lengths.max()) + 16)
        model.train()
        bleu = sacrebleu.corpus_bleu(target.decode_batch(written), [read(data["test"], data["to"])]).score
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, BLEU on {data['test']} {bleu:.2f}, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
