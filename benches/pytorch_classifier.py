"""The classifier of `crates/sequence` in PyTorch: mean pooling over the steps of a bidirectional LSTM."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class Classifier(nn.Module):
    """Embedding, recurrent network, mean over the steps, projection; modules and initialisations are PyTorch's own."""

    def __init__(self, vocab_size, classes, embedding_size, hidden_size, dropout):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.rnn = nn.LSTM(embedding_size, hidden_size, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * hidden_size, classes)

    def forward(self, tokens, lengths):
        embedded = self.dropout(self.embedding(tokens))
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        pooled = states.sum(1) / lengths[:, None]
        return self.output(self.dropout(pooled))


def padded(rows):
    """`[batch, time]` tokens, padded with 0, and the lengths."""
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
    for row, text in zip(tokens, rows):
        row[: len(text)] = torch.tensor(text)
    return tokens, lengths
