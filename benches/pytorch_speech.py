"""The CTC recogniser of `crates/sequence` in PyTorch, and batches of noise as long as strings of spoken digits."""

import random

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CLASSES = 10
FRAMES_PER_DIGIT = 43  # the mean of the free spoken digit dataset at 10 ms a frame


class SpeechRecognizer(nn.Module):
    """Frames stacked by a few, a bidirectional LSTM, a projection to the classes and the blank behind them."""

    def __init__(self, features, sizes):
        super().__init__()
        hidden, layers, dropout = sizes["hidden_size"], sizes["num_layers"], sizes["dropout"]
        self.stack = sizes["stack"]
        self.rnn = nn.LSTM(
            features * self.stack, hidden, num_layers=layers, dropout=dropout, batch_first=True, bidirectional=True
        )
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * hidden, CLASSES + 1)

    def forward(self, features, lengths):
        batch, frames, size = features.shape
        steps = -(-frames // self.stack)
        features = F.pad(features, (0, 0, 0, steps * self.stack - frames)).view(batch, steps, self.stack * size)
        lengths = (lengths + self.stack - 1) // self.stack
        packed = pack_padded_sequence(features, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        return self.output(self.dropout(states)), lengths


def string_batches(features, data, count, seed=0):
    """Features, frame lengths, targets one behind the other, target lengths. Strings of one length share a batch."""
    generator, batches = random.Random(seed), []
    longest, shortest = data["strings"]["max"], data["strings"]["min"]
    for number in range(count):
        digits = shortest + number % (longest - shortest + 1)
        lengths = [max(20, int(generator.gauss(digits * FRAMES_PER_DIGIT, 12))) for _ in range(data["batch_size"])]
        inputs = torch.randn(len(lengths), max(lengths), features)
        targets = torch.randint(0, CLASSES, (len(lengths), digits))
        batches.append((inputs, torch.tensor(lengths), targets.flatten(), torch.full((len(lengths),), digits)))
    return batches


def loss_of(model, features, lengths, targets, target_lengths):
    logits, lengths = model(features, lengths)
    return F.ctc_loss(logits.log_softmax(2).transpose(0, 1), targets, lengths, target_lengths, blank=CLASSES, zero_infinity=True)
