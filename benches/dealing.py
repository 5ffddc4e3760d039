"""How `crates/data` splits labelled examples into parts and deals them into batches, so that PyTorch sees the same ones."""

import math

WORD = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
# Texts of similar length are gathered among so many batches.
BUCKET = 50


def mix(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB & WORD
    return z ^ z >> 31


def stream_seed(seed, epoch, index):
    for value in (0, epoch, index):
        seed = mix((seed ^ value) + GOLDEN & WORD)
    return seed


class SplitMix64:
    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = self.state + GOLDEN & WORD
        return mix(self.state) * bound >> 64


def shuffle(items, rng):
    for last in range(len(items) - 1, 0, -1):
        other = rng.below(last + 1)
        items[last], items[other] = items[other], items[last]


def essence(text):
    return " ".join(text.split()).lower()


def fnv(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 & WORD
    return value


def split(texts, classes, validation, test, seed, together=True):
    """The places of the examples for training, validation and test; texts that are the same fall into one part where `together`."""
    groups = {}
    for place, text in enumerate(texts):
        groups.setdefault(essence(text) if together else place, []).append(place)
    by_class = [[] for _ in range(max(classes) + 1)]
    for group in groups.values():
        key = stream_seed(seed, 0, fnv(essence(texts[group[0]])))
        by_class[classes[group[0]]].append((key, group))
    parts = [], [], []
    for members in by_class:
        count = sum(len(group) for _, group in members)
        room = [max(math.floor(count * part + 0.5), int(count >= 3 and part > 0)) for part in (test, validation)]
        for _, group in sorted(members):
            part = next((part for part in (0, 1) if len(group) <= room[part]), 2)
            parts[2 - part].extend(group)
            if part < 2:
                room[part] -= len(group)
    return tuple(sorted(part) for part in parts)


def batches(part, size, seed, epoch, lengths=None):
    """The batches of an epoch of training; with `lengths` those of similar length share one."""
    rng, items = SplitMix64(stream_seed(seed, epoch, 0)), list(part)
    shuffle(items, rng)
    starts = list(range(0, len(items), size))
    if lengths:
        for at in range(0, len(items), BUCKET * size):
            items[at : at + BUCKET * size] = sorted(items[at : at + BUCKET * size], key=lengths.__getitem__)
        shuffle(starts, rng)
    return [items[at : at + size] for at in starts]
