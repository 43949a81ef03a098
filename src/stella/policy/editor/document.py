"""What an editor asks about a policy, answered in the types of the Language Server Protocol 3.17. Pure.

Rules:
- A page is one version of one text: compiled when somebody first asks, and never again.
- Every place that goes out, or comes in, is counted in the units that the editor has asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from lsprotocol import types as lsp

from stella.language.compile import Compiled, compile_policy
from stella.language.diagnostics import Diagnostic, Fix, Span
from stella.language.format import formatted
from stella.policy.editor.completion import Kind, proposals
from stella.policy.editor.hover import hover
from stella.policy.editor.outline import PAINTS, Part, painted, symbols
from stella.policy.editor.positions import Positions, Units

SOURCE = "stella"
FIX_ALL = "source.fixAll"
TRIGGERS = (".", '"', " ")
SEVERITY = {
    "error": lsp.DiagnosticSeverity.Error,
    "warning": lsp.DiagnosticSeverity.Warning,
    "note": lsp.DiagnosticSeverity.Information,
}
FADED = frozenset({"POL3001", "POL3003", "POL4002"})  # what could as well not be there
ITEMS: dict[Kind, lsp.CompletionItemKind] = {
    "keyword": lsp.CompletionItemKind.Keyword,
    "name": lsp.CompletionItemKind.Field,
    "function": lsp.CompletionItemKind.Function,
    "word": lsp.CompletionItemKind.EnumMember,
    "action": lsp.CompletionItemKind.Method,
    "key": lsp.CompletionItemKind.Property,
}
SYMBOLS: dict[Part, lsp.SymbolKind] = {
    "policy": lsp.SymbolKind.Module,
    "rule": lsp.SymbolKind.Function,
    "invariant": lsp.SymbolKind.Interface,
    "profile": lsp.SymbolKind.Class,
    "block": lsp.SymbolKind.Object,
}


class Page:
    """One version of a text. `proved` are the diagnostics that took a solver, once they are there."""

    def __init__(self, uri: str, version: int, text: str, units: Units) -> None:
        self.uri = uri
        self.version = version
        self.text = text
        self.proved: tuple[Diagnostic, ...] | None = None
        self._units = units

    @cached_property
    def compiled(self) -> Compiled:
        """What the text is."""
        return compile_policy(self.text)

    @cached_property
    def positions(self) -> Positions:
        """Its lines."""
        return Positions(self.text, self._units)

    @property
    def state(self) -> str:
        """A name for what is known of this text: versions begin anew when it is opened again."""
        return f"{self.version}:{hash(self.text):x}:{'compiled' if self.proved is None else 'proved'}"

    @property
    def every(self) -> tuple[Diagnostic, ...]:
        """All diagnostics that there are by now."""
        return (*self.compiled.diagnostics, *(self.proved or ()))

    # places

    def _range(self, span: Span) -> lsp.Range:
        start, end = self.positions.place(span.start), self.positions.place(span.end)
        return lsp.Range(lsp.Position(*start), lsp.Position(*end))

    def _offset(self, place: lsp.Position) -> int:
        return self.positions.offset(place.line, place.character)

    # answers

    def diagnostics(self) -> list[lsp.Diagnostic]:
        """All that is wrong."""
        return [self._diagnostic(one) for one in self.every]

    def _diagnostic(self, one: Diagnostic) -> lsp.Diagnostic:
        return lsp.Diagnostic(
            range=self._range(one.span),
            message=f"{one.message}\nexample: {one.example}" if one.example else one.message,
            severity=SEVERITY[one.level],
            code=one.code,
            source=SOURCE,
            tags=[lsp.DiagnosticTag.Unnecessary] if one.code in FADED else None,
        )

    def completion(self, place: lsp.Position) -> lsp.CompletionList:
        """What can be written there."""
        offset = self._offset(place)
        items = [
            lsp.CompletionItem(
                label=one.label,
                kind=ITEMS[one.kind],
                detail=one.detail or None,
                documentation=one.help or None,
                filter_text=one.label,
                text_edit=lsp.TextEdit(self._range(Span(one.start, offset)), one.insert),
            )
            for one in proposals(self.text, offset, self.compiled.tree)
        ]
        return lsp.CompletionList(is_incomplete=False, items=items)

    def hover(self, place: lsp.Position) -> lsp.Hover | None:
        """What is there."""
        found = hover(self.text, self._offset(place), self.every)
        if found is None:
            return None
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, found.text), self._range(found.span))

    def actions(self, where: lsp.Range, only: Iterable[str] | None) -> list[lsp.CodeAction]:
        """The fixes there, and all safe ones at once."""
        start, end = self._offset(where.start), self._offset(where.end)
        made: list[lsp.CodeAction] = []
        if _wanted(lsp.CodeActionKind.QuickFix, only):
            for one in self.every:
                if one.fix is not None and one.span.start <= end and start <= one.span.end:
                    title = f"{one.fix.title[:1].upper()}{one.fix.title[1:]}"
                    edit = self._edit([one.fix])
                    found = [self._diagnostic(one)]
                    kind = lsp.CodeActionKind.QuickFix
                    made.append(lsp.CodeAction(title, kind, found, is_preferred=one.fix.safe, edit=edit))
        safe = [one.fix for one in self.every if one.fix is not None and one.fix.safe]
        if safe and _wanted(FIX_ALL, only):
            made.append(lsp.CodeAction("Make all safe fixes", FIX_ALL, edit=self._edit(safe)))
        return made

    def _edit(self, fixes: Iterable[Fix]) -> lsp.WorkspaceEdit:
        edits, end = [], -1
        for fix in sorted(set(fixes), key=lambda fix: fix.span):
            if fix.span.start >= end:  # of two that overlap the first one counts
                edits.append(lsp.TextEdit(self._range(fix.span), fix.text))
                end = fix.span.end
        return lsp.WorkspaceEdit(changes={self.uri: edits})

    def formatting(self) -> list[lsp.TextEdit] | None:
        """The text in its one layout; None when it is, or when it does not parse."""
        compiled = self.compiled
        broken = any(one.code.startswith("POL1") and one.level == "error" for one in compiled.diagnostics)
        if compiled.tree is None or broken:
            return None
        text = formatted(compiled.tree, compiled.lexed)
        return [lsp.TextEdit(self._range(Span(0, len(self.text))), text)] if text != self.text else []

    def tokens(self) -> lsp.SemanticTokens:
        """The kinds of all words, each relative to the one before; what spans lines is said line by line."""
        data: list[int] = []
        line = character = 0
        for span, paint in painted(self.compiled.lexed):
            for start, end in self.positions.lines(span.start, span.end):
                place = self.positions.place(start)
                if place.line != line:
                    character = 0
                width = self.positions.width(self.text[start:end])
                data += [place.line - line, place.character - character, width, PAINTS.index(paint), 0]
                line, character = place
        return lsp.SemanticTokens(data)

    def symbols(self) -> list[lsp.DocumentSymbol]:
        """The policy, with its parts below it."""
        if self.compiled.tree is None:
            return []
        top, *parts = [
            lsp.DocumentSymbol(one.name, SYMBOLS[one.part], self._range(one.whole), self._range(one.named))
            for one in symbols(self.compiled.tree)
        ]
        top.children = parts
        return [top]


def _wanted(kind: str, only: Iterable[str] | None) -> bool:
    """Whether somebody who asks for some kinds of actions wants one of this kind."""
    return only is None or any(kind == one or kind.startswith(f"{one}.") for one in only)
