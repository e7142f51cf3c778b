"""One record of each kind that tells about memory, for the tests of what is drawn."""

from __future__ import annotations

from gradrepl import model

SITE = model.Site(file="/home/u/train.py", line=36, function="<module>", text="wd.zero_()")


def member(name: str, kind: str, of: str = "w", **more: object) -> model.Member:
    facts = {
        "offset": 0, "nbytes": 200, "version": 2, "counter": 0, "shape": (5, 10),
        "stride": (10, 1), "dtype": "float32", "owner": "variable", "ranges": ((0, 200),),
    }  # fmt: skip
    return model.Member(name=name, kind=kind, of=of, **{**facts, **more})  # type: ignore[arg-type]


STALE = model.Stale(
    node="PowBackward0", saved="self", name="w", storage="@1", saved_version=1, version=2,
    site=SITE, written_by="zero_ (train.py:36) through wd",
    sentence="PowBackward0 saved w at version 1, it is now at 2: backward will raise.",
)  # fmt: skip
SHARED = model.Storage(
    id="@1", nbytes=200, device="cpu", names=6, shared="shared file",
    members=(
        member("w", "base", "", requires_grad=True),
        member("wd", "detach"),
        member("row", "view", offset=40, nbytes=40, shape=(10,), stride=(1,), ranges=((40, 80),),
               requires_grad=True, is_leaf=False, grad_fn="SelectBackward0"),
        member("n", "numpy", version=None, counter=None),
        member("PowBackward0.self", "alias", owner="saved", saved_version=1, stale=True,
               site=SITE),
    ),
)  # fmt: skip
ALONE = model.Storage(
    id="@2", nbytes=4096, device="meta", names=1, shared="no bytes",
    members=(member("[/b]h", "base", "", nbytes=4096, shape=(1024,), ranges=((0, 4096),)),),
)  # fmt: skip
STORAGES = model.Storages(
    storages=(SHARED, ALONE), total=9, tensors=12, nbytes=4296, stale=(STALE,),
    cut=("only the first 256 of 300 things in 'many' were looked at",),
)  # fmt: skip
COPIES = model.Copies(
    name="w", nbytes=200, measured_on="w itself",
    ways=(
        model.CopyWay(way="w.detach()", same_bytes=True, same_counter=True, gradient=False,
                      leaf=True),
        model.CopyWay(way="w.data", same_bytes=True, same_counter=False, gradient=False, leaf=True),
        model.CopyWay(way="w.to(float32)", same_tensor=True, same_bytes=True, same_counter=True,
                      gradient=True, leaf=True),
        model.CopyWay(way="w.clone()", same_bytes=False, same_counter=False, gradient=True,
                      leaf=False, copied=200),
        model.CopyWay(way="w.numpy()", failed="Can't call numpy() on Tensor that requires grad."),
    ),
)  # fmt: skip
VERSIONS = model.Versions(
    name="w", storage="@1", version=2, content="every byte", began=True, stale=(STALE,), dropped=3,
    moments=(
        model.Moment(kind="unrecorded", before=0, after=1),
        model.Moment(kind="save", op=3, what="PowBackward0.self", site=SITE, through="w", before=1,
                     after=1, stale=True),
        model.Moment(kind="write", op=5, what="zero_", site=SITE, through="wd", before=1, after=2),
        model.Moment(kind="write", op=7, what="mul_", site=SITE, through="its .data", before=0,
                     after=1, seen=False),
        model.Moment(kind="content", before=2, after=2, seen=False),
    ),
)  # fmt: skip
BYTES = model.MemoryUse(
    owners=(model.OwnerBytes("parameters", 4000, 2, 2), model.OwnerBytes("other", 296, 1, 3)),
    total=4296, devices=(("cpu", 4296),), allocated=1024, reserved=2048,
    largest=(model.Holding(storage="@1", name="fc.weight", owner="parameters", nbytes=4000,
                           device="cpu", used=4000),
             model.Holding(storage="@2", name="row", owner="other", nbytes=296, device="cpu",
                           used=40)),
)  # fmt: skip
SAMPLES = [
    STORAGES,
    model.Sharing(a="w", b="wd", kind="detach", sentence="wd is w without its history (detach).",
                  same_storage=True, overlap=200, same_counter=True, writes_seen=True),
    COPIES,
    VERSIONS,
    model.Watches(rows=(model.Watched(name="w", storage="@1", how="every byte"),)),
    BYTES,
]  # fmt: skip
