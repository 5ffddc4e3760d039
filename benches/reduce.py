"""Times the crate `reduce` beside scikit-learn, openTSNE and umap-learn, in turns, each in a process of its own:

- `pca`: 50,000 × 3,072 numbers (CIFAR-10's shape; a low rank and noise, written here) to 50 components, randomised;
- `tsne`: the 10,000 digits of MNIST's test part, to 50 components first, with the settings that all share (perplexity 30, 250
  iterations with exaggeration 12, 750 without, start at the principal components);
- `umap`: the same digits, 15 neighbours.

Seconds of the fit alone, best and median; for t-SNE the divergence that each reports; trustworthiness (5 neighbours, on the 784 pixels) by
`reduce`, the same for all. Numba compiles before umap-learn is timed. (scikit-learn 1.9, openTSNE 1.0, umap-learn 0.5; $KILN_DATA or
../shared/data holds the digits)
"""

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from kiln import DATA, ROOT

METHODS = {
    "pca": ["reduce", "scikit-learn"],
    "tsne": ["reduce barnes-hut", "reduce fft", "scikit-learn", "openTSNE bh", "openTSNE fft"],
    "umap": ["reduce", "umap-learn"],
}


def digits():
    packed = gzip.open(DATA / "mnist" / "t10k-images-idx3-ubyte.gz").read()[16:]
    return np.frombuffer(packed, np.uint8).reshape(-1, 784).astype(np.float32) / 255


def low_rank(rows=50_000, columns=3072, rank=100):
    random = np.random.default_rng(0)
    turn = np.linalg.qr(random.standard_normal((columns, rank)))[0].T.astype(np.float32)
    scores = random.standard_normal((rows, rank), dtype=np.float32) * (50 * 0.93 ** np.arange(rank, dtype=np.float32))
    return scores @ turn + random.standard_normal((rows, columns), dtype=np.float32)


def theirs(job, method, data, output, threads):
    """Runs in its own process and prints JSON as the binary does."""
    found, start = {}, time.perf_counter()
    if job == "pca":
        from sklearn.decomposition import PCA

        start = time.perf_counter()
        pca = PCA(50, svd_solver="randomized", random_state=0).fit(data)
        found["variance"] = float(pca.explained_variance_.sum())
        points = None
    elif method == "scikit-learn":
        from sklearn.manifold import TSNE

        start = time.perf_counter()
        tsne = TSNE(n_jobs=threads, random_state=0)
        points = tsne.fit_transform(data)
        found["divergence"] = float(tsne.kl_divergence_)
    elif job == "tsne":
        from openTSNE import TSNE

        start = time.perf_counter()
        gradient = method.split()[1]
        settings = {"n_iter": 750, "neighbors": "exact", "initial_momentum": 0.5}
        points = TSNE(n_jobs=threads, random_state=0, negative_gradient_method=gradient, **settings).fit(data)
        found["divergence"] = float(points.kl_divergence)
    else:
        from umap import UMAP

        UMAP(random_state=0, n_epochs=5).fit(data[:500])
        start = time.perf_counter()
        points = UMAP(random_state=0).fit_transform(data)
    found["seconds"] = time.perf_counter() - start
    if points is not None:
        np.asarray(points, dtype="<f4").tofile(output)
    print(json.dumps(found))


def built():
    """The bench as cargo builds it."""
    command = ["cargo", "bench", "--profile", "dev", "-p", "reduce", "--bench", "reduce", "--no-run", "--message-format", "json"]
    lines = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, check=True).stdout.splitlines()
    return next(path for path in (json.loads(line).get("executable") for line in lines) if path)


def ours(binary, job, environment, **settings):
    run = subprocess.run(
        [binary, json.dumps({"job": job, **settings})], cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, check=True
    )
    return json.loads(run.stdout.splitlines()[-1])


def run(binary, job, method, data, shape, output, threads):
    environment = {**os.environ, **{name: str(threads) for name in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"]}}
    if method.startswith("reduce"):
        config = {"n_components": 50, "solver": "randomized"} if job == "pca" else {}
        if job == "tsne":
            config = {"method": method.split()[1]}
        points = {} if job == "pca" else {"output": str(output)}
        found = ours(binary, job, environment, data=str(data), rows=shape[0], columns=shape[1], config=config, **points)
        if job == "pca":
            found["variance"] = sum(found["explained_variance"])
        return found
    command = [sys.executable, __file__, "--in-process", job, method, data, *shape, output, threads]
    process = subprocess.run([str(part) for part in command], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return json.loads(process.stdout.splitlines()[-1])


def compare(binary, job, folder, rounds, threads):
    data, pixels = folder / "data.f32", folder / "pixels.f32"
    if job == "pca":
        table = low_rank()
    else:
        from sklearn.decomposition import PCA

        digits().tofile(pixels)
        table = PCA(50, random_state=0).fit_transform(digits()).astype("<f4")
    table.astype("<f4").tofile(data)
    shape, table = table.shape, None
    found = {method: [] for method in METHODS[job]}
    for _ in range(rounds):
        for method, results in found.items():
            output = folder / f"{method}.f32"
            results.append(run(binary, job, method, data, shape, output, threads))
            if job != "pca" and len(results) == 1:
                settings = {"data": str(pixels), "rows": shape[0], "columns": 784, "points": str(output)}
                results[0].update(trustworthiness=ours(binary, "trustworthiness", os.environ, **settings)["trustworthiness"])
    for method, results in found.items():
        seconds = [result["seconds"] for result in results]
        rest = [f"{key} {results[0][key]:.4f}" for key in ("divergence", "trustworthiness", "variance") if key in results[0]]
        print(f"{job:6} {method:18} {min(seconds):8.2f} {statistics.median(seconds):8.2f}  {', '.join(rest)}", flush=True)


def main():
    if sys.argv[1:2] == ["--in-process"]:
        job, method, data, rows, columns, output, threads = sys.argv[2:]
        table = np.fromfile(data, "<f4").reshape(int(rows), int(columns))
        return theirs(job, method, table, output, int(threads))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", help="the bench of the crate; without it cargo builds it")
    parser.add_argument("--jobs", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    binary = arguments.binary or built()
    print(f"{arguments.threads} threads, {arguments.rounds} rounds in turns; seconds, best and median")
    for job in arguments.jobs:
        with tempfile.TemporaryDirectory() as folder:
            compare(binary, job, Path(folder), arguments.rounds, arguments.threads)


if __name__ == "__main__":
    main()
