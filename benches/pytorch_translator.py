"""The translator of `crates/sequence` with Luong's general attention in PyTorch, and batches of Multi30k for it."""

import gzip
import os
import random
import re
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

IGNORED = -100
BUCKET = 50  # batches among which pairs of similar length are gathered


class Translator(nn.Module):
    def __init__(self, vocabulary, embedding_size, hidden_size, dropout):
        super().__init__()
        self.source = nn.Embedding(vocabulary, embedding_size)
        self.target = nn.Embedding(vocabulary, embedding_size)
        self.encoder = nn.GRU(embedding_size, hidden_size // 2, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(hidden_size, hidden_size)
        self.decoder = nn.GRU(embedding_size, hidden_size, batch_first=True)
        self.key = nn.Linear(hidden_size, hidden_size, bias=False)
        self.combine = nn.Linear(2 * hidden_size, hidden_size, bias=False)
        self.output_bias = nn.Parameter(torch.zeros(vocabulary))
        self.dropout = nn.Dropout(dropout)

    def forward(self, source, lengths, inputs):
        packed = pack_padded_sequence(self.dropout(self.source(source)), lengths, batch_first=True, enforce_sorted=False)
        memory, last = self.encoder(packed)
        memory, _ = pad_packed_sequence(memory, batch_first=True)
        start = torch.tanh(self.bridge(torch.cat([last[0], last[1]], dim=1)))
        states, _ = self.decoder(self.dropout(self.target(inputs)), start[None])
        scores = states @ self.key(memory).transpose(1, 2)
        is_real = torch.arange(memory.shape[1]) < lengths[:, None]
        weights = scores.masked_fill(~is_real[:, None], -torch.inf).softmax(2)
        features = torch.tanh(self.combine(torch.cat([weights @ memory, states], dim=2)))
        return F.linear(self.dropout(features), self.target.weight, self.output_bias)


def multi30k_batches(vocabulary, batch_size, count, seed=0):
    """Batches of the training pairs; words and marks, numbered, stand for the byte pairs, which are about as many."""
    folder = Path(os.environ.get("KILN_DATA", "../shared/data")) / "multi30k"

    def sides():
        for language in ["de", "en"]:
            with gzip.open(folder / f"train.{language}.gz", "rt", encoding="utf-8") as lines:
                yield [[hash(word) % (vocabulary - 1) for word in re.findall(r"\w+|[^\w\s]", line)] for line in lines]

    pairs = list(zip(*sides()))
    random.Random(seed).shuffle(pairs)
    bucket = sorted(pairs[: BUCKET * batch_size], key=lambda pair: (len(pair[1]), len(pair[0])))
    groups = [bucket[start : start + batch_size] for start in range(0, len(bucket), batch_size)]
    random.Random(seed).shuffle(groups)
    return [batch(group, vocabulary - 1) for group in groups[:count]]


def batch(pairs, boundary):
    """source, lengths, inputs, targets"""
    sources = [torch.tensor(source + [boundary]) for source, _ in pairs]
    inputs = [torch.tensor([boundary] + target) for _, target in pairs]
    targets = [torch.tensor(target + [boundary]) for _, target in pairs]
    pad = lambda rows, value: nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)
    lengths = torch.tensor([len(source) for source in sources])
    return pad(sources, boundary), lengths, pad(inputs, boundary), pad(targets, IGNORED)


def loss_of(model, source, lengths, inputs, targets):
    logits = model(source, lengths, inputs)
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, label_smoothing=0.1)
