"""Hand-made records of the chain rule, one of each kind, for tests of the faces."""

from __future__ import annotations

from gradrepl import model

STEPS = (
    model.PathStep(node="#1 MulBackward0", of="L", by="c", line="a.py:3", value=2.0, gain=2.0),
    model.PathStep(node="#2 AddBackward0", of="c", by="a", line="a.py:2", value=3.0, gain=3.0),
)
PATH = model.Path(
    nodes=("#1 MulBackward0", "#2 AddBackward0", "a"), steps=STEPS, contribution=6.0, norm=6.0,
    share=0.6,
)  # fmt: skip
SAMPLES: list[model.Record] = [
    model.Paths(
        root="L", leaf="a", count=2**40, method="the 50 largest", paths=(PATH,), total=10.0,
        rest=model.Rest(count=2**40 - 1, contribution=4.0, norm=4.0, share=0.4), grad=10.0,
        agrees=True, max_difference=0.0, notes=("the backward of Fn was run 2 more times.",),
    ),
    model.Terms(
        root="loss", parameters=("w",), norms=(3.0,), count=2, norm=3.0, agrees=True,
        terms=(model.Term(name="reg", node="SumBackward0", weight=0.5, value=1.0, norm=2.0,
                          cosine=1.0, rows=(model.TermRow(parameter="w", norm=2.0, cosine=1.0),)),),
    ),
    model.Addends(
        root="L", target="a", count=1, total=6.0, grad=6.0, agrees=False, max_difference=1.0,
        addends=(model.Addend(sender="#1 MulBackward0", made="L", edge=0, amount=6.0, share=1.0),),
    ),
    model.Rule(
        node="#1 MulBackward0", forward="mul.Tensor(Tensor self, Tensor other) -> Tensor",
        formulas=(model.Formula("self", "grad * other"),), source="torch 2.13.0", arriving="1",
        saved=(("other", "3"),),
        gains=(model.Gain(to="self (a)", norm_in=1.0, norm_out=3.0, gain=3.0, values="3"),),
    ),
    model.Verified(
        what="F.gelu(x)", passed=False,
        checks=(model.Checked(input="x", output="output", max_error=0.5, relative=0.1, index=(2,),
                              output_index=(1,), analytic=1.0, numeric=1.5, elements=9,
                              passed=False),),
    ),
]  # fmt: skip
