"""Records of loaders, batches and samples, one of each kind and more, for tests of drawings."""

import math

from gradrepl import model
from gradrepl_loader_lab.records import EpochRun, Synthetic, TuneRow, Tuning

SITE = model.Site(
    file="/home/u/train.py", line=30, function="<module>", text="loader = DataLoader("
)
STATS = model.Stats(norm=3.4, min=0.0, max=1.0, mean=0.26, nans=0, infs=0, zeros=31)
BAD = model.Stats(norm=math.nan, min=math.nan, max=math.nan, mean=math.nan, nans=3, infs=0)
FINDING = model.Finding(
    severity="warning", message="workers 0 and 1 draw the same random numbers.",
    evidence="dataset[0] was the same in both, and another when fetched again.",
    fix="Seed from torch.initial_seed() in worker_init_fn.", sites=model.sited(root=SITE),
)  # fmt: skip
LOADER = model.Loader(
    name="loader[/b]", dataset="Digits", length=1797, batches=29, batch_size=64,
    sampler="RandomSampler", order="shuffled, anew in each epoch",
    generator="torch's global generator, seed 3", workers=2, start_method="fork",
    settings=(model.Setting(name="prefetch_factor", value="2"),
              model.Setting(name="pin_memory", value="True",
                            without_effect="there is no accelerator here")),
    findings=(FINDING,), watched=True, epoch=0, batch=7, iterating=True,
    processes=(
        model.WorkerState(id=0, pid=101, alive=True, batch=8, indices=("12", "40"), waiting=2,
                          seconds=3.2, memory=1 << 28, seed=7),
        model.WorkerState(id=1, pid=102, alive=False, exit="killed by SIGKILL"),
        model.WorkerState(id=2, pid=103, alive=True),
    ),
    seen=(model.SeenBatch(number=7, epoch=0, indices=("1", "2"), size=64, worker=1, wait=0.03),),
    shm_total=1 << 34, shm_free=1 << 33, site=SITE,
)  # fmt: skip
IMAGE = model.Part(key="0", kind="tensor", shape=(1, 8, 8), dtype="float32", stats=STATS)
LABEL = model.Part(key="1", kind="int", stats=model.Stats(min=3, max=3), text="3")
ROW = model.SampleRow(
    place=0, index="40512", worker=1, seconds=0.002, shape=(1, 8, 8), dtype="float32", min=0.0,
    max=1.0, label="3", parts=(IMAGE, LABEL),
)  # fmt: skip
ODD_ROW = model.SampleRow(
    place=3, index="9921", worker=1, seconds=0.002, shape=(1, 8, 7), dtype="float32", min=0.0,
    max=1.0, label="0", parts=(IMAGE, LABEL), odd=("other shape",),
)  # fmt: skip
ODD = model.Odd(
    place=3, index="9921", key="0", what="other shape",
    sentence="dataset[9921] part '0' has shape (1, 8, 7), 63 others (1, 8, 8).",
)  # fmt: skip
BATCH = model.Batch(
    number=7, total=29, loader="loader", epoch=0, indices=("40512", "9921"), size=64,
    rows=(ODD_ROW, ROW), odd=(ODD,), labels=(("3", 33), ("0", 31)), worker=1, seconds=0.01,
    problem="dataset[9921] part '0' has shape (1, 8, 7), 63 others (1, 8, 8): they cannot be made "
    "into one batch.",
    error="RuntimeError: stack expects", how="as the program's loop got it", wait=0.03,
    notes=("the dataset draws random numbers (torch).",),
)  # fmt: skip
FINE = model.Batch(
    number=0, loader="loader", indices=("1",), size=1, rows=(ROW,), collated=(IMAGE, LABEL)
)  # fmt: skip
STEP = model.TransformStep(name="log", where="transform.transforms[1]", seconds=0.001, out=IMAGE,
                           nans=3, first_nan=True)  # fmt: skip
SAMPLE = model.Sample(
    index="3", dataset="Digits", loader="loader", length=1797, seconds=0.002, label="3",
    parts=(
        model.Part(key="image", kind="tensor", shape=(2, 2), dtype="float32", stats=BAD,
                   lines=((0, 255, 128, 7),) * 4),
        model.Part(key="wave", kind="list", shape=(3,), values=(0.0, math.nan, 2.0)),
        model.Part(key="text", kind="str", shape=(5,), text="[/b]!"),
        LABEL,
    ),
    steps=(STEP,), odd=("part 'image' has 3 NaN.",), random=("torch",), worker=1, seed=12,
    notes=("the first NaN is made by log (transform.transforms[1]).",), site=SITE,
)  # fmt: skip
CHECK = model.LoaderCheck(
    name="loader", findings=(FINDING, model.Finding(severity="error", message="NaN in data.")),
    looked_at=("200 of 1797 samples",), seconds=0.4,
)  # fmt: skip
TUNING = Tuning(
    name="loader", now=0, best=2, cores=2, stopped=True,
    rows=(TuneRow(workers=0, samples_per_second=900.0, batches=28, first=0.01, seconds=2.0),
          TuneRow(workers=2, samples_per_second=1700.0, batches=50, first=0.1, seconds=2.0),
          TuneRow(workers=4, failed="RuntimeError: no")),
    verdict="2 workers are 1.9 times as fast as none.",
)  # fmt: skip
PACE = model.Pace(
    batches=50, step=0.048, wait=0.0341, ready=0.2, room=4,
    verdict="loader-bound: 71% of the step is waiting for data.",
)  # fmt: skip
TIMING = model.Timing(
    steps=50, data=0.0341, forward=0.0042, backward=0.0063, optimizer=0.0018, watching=0.0001,
    total=0.0465, verdict="loader-bound: 73% of the step is waiting for data.",
)  # fmt: skip
PROGRESS = model.Progress(
    what="tune loader", done=2, total=4, unit="numbers of workers", seconds=4.2,
    more="2 workers, 340 samples/s",
)  # fmt: skip
EPOCH = model.Epoch(
    loader="loader", number=0, known=(0, 1), batches=8, total=28, samples=512, left=1280,
    length=1797, so_far=model.Visits(samples=512, different=512, never=1285),
    whole=model.Visits(samples=1792, different=1790, repeated=2, repeats=(("7", 2), ("9", 2)),
                       never=7, missing=("2", "8")),
    labels=(("3", 300), ("0", 200), ("cat[/b]", 12)), labels_of=512, how="as the program got it",
    notes=("labels were read for a second.",),
)  # fmt: skip
RUN = EpochRun(
    loader="loader", batches=3, total=13, samples=48, seconds=0.4, workers=2, first=0.1,
    slowest=((2, 0.03),), labels=(("1", 48),), failed=3, indices=("48", "137"),
    error="RuntimeError: stack expects", hint="dataset[137] has shape (63,).",
)  # fmt: skip
SYNTHETIC = Synthetic(
    loader="loader", workers=2, real=0.03, real_batches=60, memory=0.0001, memory_batches=900,
    to_device=0.001, device="cuda:0", batch="(64, 1, 8, 8) f32", with_loader=PACE,
    with_memory=model.Pace(batches=50, step=0.014, wait=0.0001), verdict="3.4 times as fast.",
    notes=("the program was not changed.",),
)  # fmt: skip
MEASURED = (TUNING, RUN, SYNTHETIC)
"""Records of the loader laboratory."""
SAMPLES = [
    LOADER, BATCH, FINE, SAMPLE, CHECK, PROGRESS, EPOCH,
    model.Loader(name="stream", dataset="Lines", dataset_kind="iterable"),
    model.LoaderCheck(name="loader", looked_at=("all",)),
    model.LoaderWatch(on=True, epochs=2, batches=58), model.LoaderWatch(on=False),
    model.Devices(rows=(
        model.DeviceInfo(name="cpu", what="2 cores", total=1 << 35, free=1 << 34),
        model.DeviceInfo(name="cuda", available=False, why="torch is built without CUDA"),
    )),
    model.Moved(name="batch", device="cuda:0", tensors=2, moved=1, nbytes=1 << 20, seconds=0.001,
                notes=("the copy is from pageable memory: non_blocking has no effect.",)),
    model.Moved(name="batch", device="cpu", tensors=1),
]  # fmt: skip
