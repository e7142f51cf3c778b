"""Answers about the chain rule: paths, local derivatives, terms of a loss."""

from __future__ import annotations

from gradrepl import protocol as p
from gradrepl.engine.answers import Answer, on
from gradrepl.engine.chain import addends, paths, rule, terms, verify
from gradrepl.engine.session import Session
from gradrepl.engine.stopping.gate import Place


@on(p.PathsTo)
def _(request: p.PathsTo, session: Session, place: Place) -> Answer:
    return paths.answer(request.root, request.leaf, session, place)


@on(p.TermsOf)
def _(request: p.TermsOf, session: Session, place: Place) -> Answer:
    return terms.answer(request.root, session, place)


@on(p.AddendsOf)
def _(request: p.AddendsOf, session: Session, place: Place) -> Answer:
    return addends.answer(request.root, request.target, session, place)


@on(p.RuleOf)
def _(request: p.RuleOf, session: Session, place: Place) -> Answer:
    return rule.answer(request.what, session, place)


@on(p.Verify)
def _(request: p.Verify, session: Session, place: Place) -> Answer:
    return verify.answer(request.what, session, place)
