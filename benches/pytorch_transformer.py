"""The transformers of `crates/transformer` in PyTorch, as its users write them: fused attention, packed projections."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads, bias, dropout, causal):
        super().__init__()
        self.heads, self.causal, self.p = heads, causal, dropout
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.proj = nn.Linear(width, width, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask=None, cache=None):
        batch, time, width = x.shape
        q, k, v = (part.view(batch, time, self.heads, -1).transpose(1, 2) for part in self.qkv(x).split(width, dim=2))
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
            cache[:] = [k, v]
        causal = self.causal and time > 1
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.p if self.training else 0.0, is_causal=causal)
        return self.dropout(self.proj(y.transpose(1, 2).reshape(batch, time, width)))


class DropPath(nn.Module):
    """Leaves out the whole branch of a batch entry in training (stochastic depth)."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training or self.p == 0:
            return x
        return x * x.new_empty(len(x), *[1] * (x.dim() - 1)).bernoulli_(1 - self.p) / (1 - self.p)


class Block(nn.Module):
    def __init__(self, width, heads, hidden, bias, dropout, causal, norm_first=True, epsilon=1e-5, drop_path=0.0):
        super().__init__()
        self.norm_first, self.path = norm_first, DropPath(drop_path)
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=epsilon, bias=bias) for _ in range(2))
        self.attention = Attention(width, heads, bias, dropout, causal)
        self.up, self.down = nn.Linear(width, hidden, bias=bias), nn.Linear(hidden, width, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def mlp(self, x):
        return self.dropout(self.down(F.gelu(self.up(x))))

    def forward(self, x, mask=None, cache=None):
        if self.norm_first:
            x = x + self.path(self.attention(self.norm1(x), mask, cache))
            return x + self.path(self.mlp(self.norm2(x)))
        x = self.norm1(x + self.path(self.attention(x, mask, cache)))
        return self.norm2(x + self.path(self.mlp(x)))


class Gpt(nn.Module):
    """nanoGPT's model and initialisation."""

    def __init__(self, vocab_size, sizes):
        super().__init__()
        width, layers = sizes["embedding_size"], sizes["num_layers"]
        bias, dropout = sizes.get("bias", True), sizes.get("dropout", 0.0)
        self.context = sizes["context_len"]
        self.wte, self.wpe = nn.Embedding(vocab_size, width), nn.Embedding(self.context, width)
        self.blocks = nn.ModuleList(Block(width, sizes["num_heads"], 4 * width, bias, dropout, True) for _ in range(layers))
        self.norm, self.dropout = nn.LayerNorm(width, bias=bias), nn.Dropout(dropout)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                scale = math.sqrt(2 * layers) if name.endswith(("proj.weight", "down.weight")) else 1.0
                nn.init.normal_(parameter, std=0.02 / scale)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, tokens, caches=None, last_only=False):
        past = caches[0][0].shape[2] if caches and caches[0] else 0
        x = self.dropout(self.wte(tokens) + self.wpe.weight[past : past + tokens.shape[1]])
        for index, block in enumerate(self.blocks):
            x = block(x, cache=caches[index] if caches is not None else None)
        x = self.norm(x[:, -1:] if last_only else x)
        return F.linear(x, self.wte.weight)

    @torch.no_grad()
    def generate(self, tokens, count, temperature=0.8):
        """With a cache; a full context is read anew from its later half, as `train generate` does."""
        caches, read = [[] for _ in self.blocks], 0
        for _ in range(count):
            if tokens.shape[1] > self.context:
                tokens, read = tokens[:, -(self.context + 1) // 2 :], 0
                caches = [[] for _ in self.blocks]
            logits = self(tokens[:, read:], caches, last_only=True)[:, -1] / temperature
            read = tokens.shape[1]
            tokens = torch.cat([tokens, torch.multinomial(logits.softmax(-1), 1)], 1)
        return tokens


def decay_groups(model, weight_decay):
    """No decay on what is not the weight of a projection."""
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    decayed = [p for p in model.parameters() if p.dim() > 1 and id(p) not in tables]
    rest = [p for p in model.parameters() if p.dim() < 2 or id(p) in tables]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]


def cosine(schedule, steps):
    """The factor of the learning rate at a step, from 0, as `train` has it."""
    warmup, floor = schedule["warmup_steps"], schedule["min_factor"]

    def factor(step):
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min((step - warmup) / (steps - warmup), 1)))

    return factor


class CrossAttention(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads, self.p = heads, dropout
        self.q, self.kv, self.proj = nn.Linear(width, width), nn.Linear(width, 2 * width), nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, memory, mask):
        batch, time, width = x.shape
        split = lambda part: part.view(batch, -1, self.heads, width // self.heads).transpose(1, 2)
        q, (k, v) = split(self.q(x)), map(split, self.kv(memory).split(width, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.p if self.training else 0.0)
        return self.dropout(self.proj(y.transpose(1, 2).reshape(batch, time, width)))


class DecoderBlock(Block):
    def __init__(self, width, heads, hidden, dropout):
        super().__init__(width, heads, hidden, True, dropout, True)
        self.norm3, self.cross = nn.LayerNorm(width), CrossAttention(width, heads, dropout)

    def forward(self, x, memory, mask, cache=None):
        x = x + self.attention(self.norm1(x), cache=cache)
        x = x + self.cross(self.norm3(x), memory, mask)
        return x + self.mlp(self.norm2(x))

    def mlp(self, x):
        return self.dropout(self.down(F.relu(self.up(x))))


class EncoderBlock(Block):
    def mlp(self, x):
        return self.dropout(self.down(F.relu(self.up(x))))


class Seq2Seq(nn.Module):
    """The pre-norm encoder and decoder of `crates/transformer` with sinusoidal positions and a tied output."""

    def __init__(self, source_vocab, target_vocab, sizes):
        super().__init__()
        width, heads, dropout = sizes["hidden_size"], sizes["num_heads"], sizes["dropout"]
        hidden, layers = sizes.get("feed_forward_size") or 4 * width, sizes["num_layers"]
        self.source, self.target = nn.Embedding(source_vocab, width), nn.Embedding(target_vocab, width)
        self.encoder = nn.ModuleList(EncoderBlock(width, heads, hidden, True, dropout, False) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads, hidden, dropout) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout, self.width = nn.Dropout(dropout), width
        position = torch.arange(sizes["context_len"])[:, None] / 10000 ** (torch.arange(0, width, 2) / width)
        self.register_buffer("positions", torch.stack([position.sin(), position.cos()], 2).flatten(1))
        for name, parameter in self.named_parameters():
            if isinstance(parameter, nn.Parameter) and parameter.dim() > 1:
                embedding = name.startswith(("source", "target"))
                nn.init.normal_(parameter, std=width**-0.5) if embedding else nn.init.xavier_uniform_(parameter)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def embed(self, tokens, table, first=0):
        return self.dropout(table(tokens) * self.width**0.5 + self.positions[first : first + tokens.shape[1]])

    def encode(self, source, lengths):
        mask = (torch.arange(source.shape[1]) < lengths[:, None])[:, None, None]
        x = self.embed(source, self.source)
        for block in self.encoder:
            x = block(x, mask)
        return self.encoder_norm(x), mask

    def decode(self, inputs, memory, mask, caches=None):
        first = caches[0][0].shape[2] if caches and caches[0] else 0
        x = self.embed(inputs, self.target, first)
        for index, block in enumerate(self.decoder):
            x = block(x, memory, mask, caches[index] if caches is not None else None)
        return F.linear(self.decoder_norm(x), self.target.weight)

    @torch.no_grad()
    def greedy(self, source, lengths, boundary, limit):
        memory, mask = self.encode(source, lengths)
        token = torch.full((len(source), 1), boundary)
        caches, written, done = [[] for _ in self.decoder], [], torch.zeros(len(source), dtype=torch.bool)
        for _ in range(limit):
            token = self.decode(token, memory, mask, caches)[:, -1:].argmax(-1)
            done |= token[:, 0] == boundary
            written.append(token.masked_fill(done[:, None], boundary))
            if done.all():
                break
        return [[t for t in row if t != boundary] for row in torch.cat(written, 1).tolist()]


class BertClassifier(nn.Module):
    """An encoder with the normalisation behind its branches, the mean over the tokens or the first one, pooler and classifier."""

    def __init__(self, vocab_size, classes, sizes):
        super().__init__()
        width, dropout, epsilon = sizes["hidden_size"], sizes["dropout"], sizes["norm_epsilon"]
        hidden = sizes["feed_forward_size"] or 4 * width
        self.words, self.positions = nn.Embedding(vocab_size, width), nn.Embedding(sizes["context_len"], width)
        self.types = nn.Embedding(sizes["type_vocab_size"], width)
        self.norm, self.dropout, self.pooling = nn.LayerNorm(width, eps=epsilon), nn.Dropout(dropout), sizes["pooling"]
        block = lambda: Block(width, sizes["num_heads"], hidden, True, dropout, False, norm_first=False, epsilon=epsilon)
        self.blocks = nn.ModuleList(block() for _ in range(sizes["num_layers"]))
        self.pooler, self.classifier = nn.Linear(width, width), nn.Linear(width, classes)
        draw_normal(self)

    def forward(self, tokens, lengths):
        there = torch.arange(tokens.shape[1]) < lengths[:, None]
        x = self.words(tokens) + self.positions.weight[: tokens.shape[1]] + self.types.weight[0]
        x = self.dropout(self.norm(x))
        for block in self.blocks:
            x = block(x, there[:, None, None])
        x = x[:, 0] if self.pooling == "first" else (x * there[..., None]).sum(1) / lengths[:, None]
        return self.classifier(self.dropout(self.pooler(x).tanh()))


class Vit(nn.Module):
    """A vision transformer that averages its patches, as timm has it without a class token: the mean is normalised, not the patches."""

    def __init__(self, image_size, classes, sizes):
        super().__init__()
        width, layers, patch = sizes["hidden_size"], sizes["num_layers"], sizes["patch_size"]
        hidden = sizes["feed_forward_size"] or 4 * width
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.positions, self.dropout = nn.Embedding((image_size // patch) ** 2, width), nn.Dropout(sizes["dropout"])
        paths = [sizes["drop_path"] * index / max(layers - 1, 1) for index in range(layers)]
        block = lambda path: Block(width, sizes["num_heads"], hidden, True, sizes["dropout"], False, epsilon=1e-6, drop_path=path)
        self.blocks = nn.ModuleList(map(block, paths))
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, classes)
        draw_normal(self)
        nn.init.zeros_(self.head.weight)

    def forward(self, images):
        x = self.dropout(self.patches(images).flatten(2).transpose(1, 2) + self.positions.weight)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x.mean(1)))


def draw_normal(model):
    """Projections and embeddings from N(0, 0.02²), biases 0; convolutions stay as PyTorch draws them."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
