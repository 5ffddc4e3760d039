"""How the comparisons call `train`."""

import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("KILN_DATA", ROOT.parent / "shared" / "data"))


def toml(value):
    """A value as `--set` reads it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def train(binary, config, backend, name, settings, *more, before=()):
    """Trains a config under another name with other settings, and returns what the process wrote to its standard error."""
    command = [*before, binary, "--config", config, "--backend", backend, "--quiet", "--name", name, *more]
    for key, value in settings.items():
        command += ["--set", f"{key}={toml(value)}"]
    run = subprocess.run([str(part) for part in command], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        raise SystemExit(run.stderr)
    return run.stderr


def rows(run, split):
    """The lines of metrics of a run folder for `train` or `validation`."""
    found = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    return [row["metrics"] for row in found if row["split"] == split]


def step_times(run):
    """Milliseconds a step, log line by log line; the first is left out."""
    return [1000 / metrics["steps_per_second"] for metrics in rows(run, "train")][1:]
