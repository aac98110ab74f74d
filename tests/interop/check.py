"""What other programs read of ours, by their own readers: h5py, PyTorch, TensorBoard, NumPy, pandas.

    make test-interop

makes the Python environment and runs this on the small recordings in fixtures/. Each check prints a line; the first
that fails ends the program with exit code 1 and says what was found and what was expected.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py
import numpy as np
import pandas as pd
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

PROJECT = Path(__file__).resolve().parents[2]
BIOSSL = Path(os.environ.get("BIOSSL", PROJECT / "target/release/biossl"))
sys.path.insert(0, str(PROJECT / "examples"))
sys.dont_write_bytecode = True
import pytorch_encoder

TYPES = {"f32": "<f4", "f64": "<f8", "i32": "<i4", "i64": "<i8", "u8": "|u1", "u16": "<u2", "u32": "<u4", "u64": "<u8"}
WIDTHS = ("1", "0.25")
# Relative to the largest number of an embedding.
TOLERANCE = 1e-4


def biossl(*arguments):
    """The JSON that a command prints."""
    command = [str(BIOSSL), *map(str, arguments), "--json", "--quiet"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}"
    return json.loads(done.stdout)


def laid_over(*keys):
    """Keys over those of the pipeline."""
    return [word for key in keys for word in ("--set", key)]


def said(what, *numbers):
    print(f"ok  {what}: {', '.join(map(str, numbers))}", flush=True)


def same(what, found, expected):
    assert found == expected, f"{what}: found {found}, expected {expected}"


def same_names(what, found, expected):
    found, expected = set(found), set(expected)
    assert found == expected, f"{what}: missing {sorted(expected - found)}, not expected {sorted(found - expected)}"


def documented(head):
    """Names and type of each line of the table of docs/store.md whose first column is called `head`."""
    lines = (PROJECT / "docs/store.md").read_text().split(f"| {head} |")[1].splitlines()[2:]
    found = {}
    for line in lines[: lines.index("")]:
        names, types = line.split("|")[1:3]
        names, types = re.findall(r"`([^`]+)`", names), re.split(r", (?![^`]*`$)", types.strip())
        found |= dict(zip(names, types if len(types) == len(names) else types * len(names)))
    return found


def check_type(name, found, words):
    """A data set or attribute against the words of its type: `f32 `[rows, 16]``, `string`."""
    if words.startswith("string"):
        assert h5py.check_string_dtype(found.dtype), f"{name}: no string but {found.dtype}"
    else:
        same(f"type of {name}", found.dtype.str, TYPES[words.split()[0]])


def check_store(path, kind, compressed):
    """Everything docs/store.md says a store holds, and nothing else; every sample by its checksum; the seal."""
    sets, attributes = documented("object"), documented("attribute of the root")
    with h5py.File(path) as store:
        found = {}
        store.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
        optional = {name for name in sets if "chunk_" in name and not compressed or name == "rows/rr" and kind == "eeg"}
        same_names("data sets", found, set(sets) - optional)
        same_names("attributes", store.attrs, attributes)
        for name, item in found.items():
            check_type(name, item, sets[name])
        for name, words in attributes.items():
            check_type(name, store.attrs.get_id(name), words)
        attribute = dict(store.attrs)
        n, channels, stored = store["samples"].shape
        same("stored", stored, attribute["span_samples"] + 2 * attribute["margin_samples"])
        same("channels", channels, len(store["channels"]))
        for name, item in found.items():
            group = name.split("/")[0]
            length = {"rows": n, "samples": n, "recordings": len(store["recordings/id"])}.get(group)
            assert length is None or len(item) == length, f"{name} has {len(item)} entries, not {length}"
        if "rows/rr" in found:
            same("shape of rows/rr", found["rows/rr"].shape, (n, 16))
        same("hash of the recipe", hashlib.sha256(attribute["recipe"].encode()).hexdigest(), attribute["recipe_sha256"])
        for name in ("recipe", "pool_excludes", "failed", "excluded"):
            json.loads(attribute[name])
        assert store["rows/label"][:].max() < len(store["classes"]) and store["rows/reject"][:].max() <= 3
        persons = store["recordings/subject"][:][store["rows/recording"][:]]
        same("persons of rows", store["rows/subject"][:].tolist(), persons.tolist())
        samples = store["samples"][:]
        checksums = [int(hashlib.sha256(row.tobytes()).hexdigest()[:16], 16) for row in samples]
        same("checksums", checksums, store["rows/checksum"][:].tolist())
        if compressed:
            same("filters", (store["samples"].compression, store["samples"].shuffle), ("gzip", True))
            check_chunks(path, store, samples)
    check_seal(path)
    what = f"{kind} store{' (deflated)' if compressed else ''} in h5py"
    said(what, f"{len(found)} data sets", f"{len(attributes)} attributes", f"samples {samples.shape}")
    return samples


def check_chunks(path, store, samples):
    """The chunks where `rows/chunk_*` say, inflated without HDF5."""
    data = path.read_bytes()
    places = zip(store["rows/chunk_offset"][:].tolist(), store["rows/chunk_bytes"][:].tolist())
    for row, (offset, length) in enumerate(places):
        planes = np.frombuffer(zlib.decompress(data[offset : offset + length]), np.uint8).reshape(4, -1)
        assert planes.T.tobytes() == samples[row].tobytes(), f"the chunk of row {row} holds something else"
    same("chunk masks", set(store["rows/chunk_mask"][:].tolist()), {0})


def check_seal(path):
    data = path.read_bytes()
    head = data[:4096].rstrip(b"\0").decode().splitlines()
    same("first line", head[0], "biossl-store 2")
    first, end = map(int, re.fullmatch(r"samples (\d+)\.\.(\d+)", head[1]).groups())
    sealed = f"{head[0]}\n{head[1]}\n".encode() + data[4096:first] + data[end:]
    same("seal", head[2], f"sha256 {hashlib.sha256(sealed).hexdigest()}")


def check_example(path):
    """The Python of docs/store.md as it stands there, but for the file's name."""
    code = re.search(r"```python\n(.*?)```", (PROJECT / "docs/store.md").read_text(), re.DOTALL).group(1)
    code, places = code.replace("stores/demo.h5", str(path)), {"print": lambda *_: None}
    exec(code, places)
    same("window of docs/store.md", places["window"].shape, (2, 704))
    said("the example of docs/store.md", f"label {places['label']}", f"person {places['subject']}")


def windows_of(path):
    """Every row's evaluation window, as docs/store.md says."""
    with h5py.File(path) as store:
        shift = np.where(store["rows/event"][:] != -(2**63), store.attrs["eval_offset_samples"], 0)
        first, length = int(store.attrs["margin_samples"]) + shift, int(store.attrs["window_samples"])
        samples = store["samples"][:]
        cut = np.stack([row[:, start : start + length] for row, start in zip(samples, first)])
        same("normalisation", store.attrs["normalisation"], "window")
        return pytorch_encoder.standardise(torch.from_numpy(cut)), store["rows/start"][:] + shift


def check_encoder(kind, width, place, store):
    """One pretrained encoder: our embeddings in NumPy, their rows in pandas, PyTorch's embeddings of the same windows."""
    told = biossl("embed", place / "run/pipeline.toml", "--to", place)
    embeddings = np.load(place / "embeddings.npy")
    rows = pd.read_csv(place / "rows.csv", dtype={"subject": str, "recording": str})
    windows, starts = windows_of(store)
    same("embeddings", (embeddings.dtype.str, embeddings.shape), ("<f4", (told["n"], told["dim"])))
    check_rows(rows, starts, store)
    path = place / "run/checkpoints/base/0/seed-1/encoder.safetensors"
    assert path.is_file(), f"there is no {path}"
    module = pytorch_encoder.load(path)
    with torch.no_grad():
        theirs = torch.cat([module(part) for part in windows[rows["row"].tolist()].split(256)]).numpy()
    same("shape of PyTorch's embeddings", theirs.shape, embeddings.shape)
    error = np.abs(theirs - embeddings).max() / np.abs(embeddings).max()
    assert error <= TOLERANCE, f"{kind}, width {width}: PyTorch differs by {error:.1e} of the largest number"
    numbers = f"{len(module.state_dict())} tensors", f"embeddings {theirs.shape}", f"relative error {error:.1e}"
    said(f"{kind} encoder, width {width}, in PyTorch", *numbers)


def check_rows(rows, starts, store):
    """`rows.csv` against the store."""
    same("columns of rows.csv", list(rows), ["row", "subject", "recording", "session", "start", "label"])
    same("types of rows.csv", [rows[name].dtype.kind for name in ("row", "session", "start")], ["i"] * 3)
    row = rows["row"].to_numpy()
    with h5py.File(store) as file:
        recording, label = file["rows/recording"][:][row], file["rows/label"][:][row]
        same("rows of finite samples", row.tolist(), np.flatnonzero(file["rows/reject"][:] != 1).tolist())
        persons = file["subjects"].asstr()[:][file["rows/subject"][:][row]]
        same("persons", rows["subject"].tolist(), persons.tolist())
        same("recordings", rows["recording"].tolist(), file["recordings/id"].asstr()[:][recording].tolist())
        same("sessions", rows["session"].tolist(), file["recordings/session"][:][recording].tolist())
        names = [*file["classes"].asstr()[:], None]
        same("labels", [None if pd.isna(word) else word for word in rows["label"]], [names[number] for number in label])
    same("starts", rows["start"].tolist(), starts[row].tolist())


def flat(tag, value, into):
    """The numbers of a journal line under TensorBoard's tags."""
    if isinstance(value, dict):
        for key, inner in value.items():
            flat(f"{tag}/{key}", inner, into)
    elif isinstance(value, (int, float)):
        into[tag] = value


def expected_scalars(run, place):
    """What the journal says of one training, told by arm, fold and seed: tag -> [(step, value)]."""
    found = {}
    for line in map(json.loads, (run / "journal.jsonl").read_text().splitlines()):
        head = {"step": line.get("task"), "collapse": "collapse", "monitor": f"monitor/{line.get('classifier')}"}
        if line["event"] not in head or (line["arm"], str(line["fold"]), f"seed-{line['seed']}") != place:
            continue
        apart = {"schema", "time", "event", "task", "arm", "fold", "seed", "classifier"}
        if line["event"] != "step":
            apart.add("step")
        numbers = {}
        flat(head[line["event"]], {key: value for key, value in line.items() if key not in apart}, numbers)
        for tag, value in numbers.items():
            found.setdefault(tag, []).append((line["step"], np.float32(value)))
    return found


def check_events(kind, run):
    """TensorBoard's reader against the journal: the same tags, steps and numbers."""
    tags = 0
    for file in sorted(run.glob("tensorboard/**/events.out.tfevents.*")):
        reader = EventAccumulator(str(file.parent))
        reader.Reload()
        expected = expected_scalars(run, file.relative_to(run / "tensorboard").parts[:3])
        same_names(f"tags of {file}", reader.Tags()["scalars"], expected)
        for tag, steps in expected.items():
            found = [(scalar.step, np.float32(scalar.value)) for scalar in reader.Scalars(tag)]
            same(f"{tag} of {file}", found, steps)
        tags += len(expected)
    assert tags, f"{run} has no events"
    said(f"{kind} events in TensorBoard", f"{tags} tags as in the journal")


def check_run(place, store):
    """The files of a finished run in NumPy and pandas: predictions, scores, hashes."""
    run, probe = place / "finished", 'downstream=[{name="linear",c=[1.0],tau=[0.5]}]'
    settings = laid_over("encoder.width=0.0625", "train.steps=2", 'awareness.arms=["base"]', probe)
    told = biossl("run", "pipelines/demo-ecg.toml", "--store", store, "--out", run, *settings)
    table = pd.read_csv(run / "predictions.csv", dtype={"subject": str, "recording": str})
    head = ["arm", "seed", "fold", "row", "subject", "recording", "event", "truth"]
    classes = [name.removeprefix("p_") for name in list(table)[len(head) :]]
    same("columns of predictions.csv", list(table), head + [f"p_{name}" for name in classes])
    probabilities = table[[f"p_{name}" for name in classes]].to_numpy()
    assert np.abs(probabilities.sum(1) - 1).max() < 1e-5, "probabilities do not sum to one"
    table["right"] = np.array(classes)[probabilities.argmax(1)] == table["truth"]
    scores = pd.DataFrame(told["scores"])
    same("scores.json", json.loads((run / "scores.json").read_text()), told["scores"])
    for arm, rows in table[table["truth"] != "Q"].groupby("arm"):
        stored = scores.query("arm == @arm and seed == 1 and metric == 'accuracy'")["value"].item()
        assert abs(rows["right"].mean() - stored) < 1e-12, f"accuracy of {arm}: {rows['right'].mean()}, stored {stored}"
    hashes = json.loads((run / "manifest.json").read_text())["files"]
    for name, digest in hashes.items():
        same(f"hash of {name}", digest, hashlib.sha256((run / name).read_bytes()).hexdigest())
    arms = f"accuracy of {table['arm'].nunique()} arms as in scores.json"
    said("a finished run in pandas", f"{len(table)} predictions", arms, f"{len(hashes)} files as in manifest.json")


def main():
    assert BIOSSL.is_file(), f"there is no {BIOSSL}: make build"
    with tempfile.TemporaryDirectory(prefix="biossl-interop-") as work:
        work = Path(work)
        for kind in ("ecg", "eeg"):
            pipeline, store = f"pipelines/demo-{kind}.toml", work / f"{kind}.h5"
            biossl("preprocess", pipeline, "--store", store)
            plain = check_store(store, kind, compressed=False)
            packed = work / f"{kind}-packed.h5"
            biossl("preprocess", pipeline, "--store", packed, *laid_over("preprocess.compress={deflate=4}"))
            same("packed samples", check_store(packed, kind, compressed=True).tobytes(), plain.tobytes())
            for width in WIDTHS:
                place = work / f"{kind}-{width}"
                sizes = f"encoder.width={width}", "train.steps=3", "train.monitor={every=2}"
                settings = laid_over(*sizes, 'awareness.arms=["base"]')
                biossl("pretrain", pipeline, "--store", store, "--out", place / "run", *settings)
                check_encoder(kind, width, place, store)
                check_events(f"{kind}, width {width},", place / "run")
        check_example(work / "ecg.h5")
        check_run(work, work / "ecg.h5")


if __name__ == "__main__":
    try:
        main()
    except AssertionError as fault:
        sys.exit(f"FAILED  {fault}")
