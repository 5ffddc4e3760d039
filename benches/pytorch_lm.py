"""The language model of `crates/sequence` in PyTorch, and its contiguous windows."""

import torch
from torch import nn


class LanguageModel(nn.Module):
    """Embedding, recurrent network, projection: the modules and initialisations are PyTorch's own."""

    def __init__(self, vocab_size, embedding_size, hidden_size, num_layers=1, dropout=0.0):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        between = dropout if num_layers > 1 else 0.0
        self.rnn = nn.LSTM(embedding_size, hidden_size, num_layers, batch_first=True, dropout=between)
        self.output = nn.Linear(hidden_size, vocab_size)

    def forward(self, tokens, state=None):
        hidden, state = self.rnn(self.dropout(self.embedding(tokens)), state)
        return self.output(self.dropout(hidden)), state


def contiguous_windows(tokens, batch_size, seq_len, offset):
    """Yields (inputs, targets) of `batch_size` parallel streams over the ring of tokens that begins at `offset`."""
    tokens = torch.roll(tokens, -offset)
    windows = (len(tokens) - 1) // (batch_size * seq_len)
    span = windows * seq_len
    starts = torch.arange(batch_size) * span
    for index in range(windows):
        at = starts[:, None] + torch.arange(seq_len) + index * seq_len
        yield tokens[at], tokens[(at + 1) % len(tokens)]


def detach(state):
    return tuple(part.detach() for part in state)


def train_step(model, optimizer, inputs, targets, state):
    """One step as `train` makes it; returns the loss, still a tensor, and the state to carry on."""
    logits, state = model(inputs, state)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.detach(), detach(state)
