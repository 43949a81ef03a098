"""The language server as an editor meets it: over standard input and output, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

from tests.unit.policy.editing import PATIENCE, SOURCES, URI, Editor, editing, started

DEAD = """policy "p" syntax "stella-dsl@1" {
  rule all priority 1 { when kev then status := "blocked" because "x" }
  rule none priority 2 { when kev and epss > 0.5 then status := "affected" because "y" }
}
"""
WIDE = """policy "p" syntax "stella-dsl@1" {
  rule a { when component.name == "😀🚀" and sevrity == "x" then status = "Blocked" because "x" }
}
"""


def test_diagnostics_come_at_once_and_proofs_when_nobody_types() -> None:
    async def course(editor: Editor) -> None:
        editor.open(DEAD.replace("kev and", "kv and"))
        assert [one.code for one in await editor.heard()] == ["POL2001"]
        editor.change(DEAD)
        (found,) = await editor.heard(until="POL3003")
        assert (found.range.start.line, found.severity) == (2, lsp.DiagnosticSeverity.Warning)
        assert list(found.tags or []) == [lsp.DiagnosticTag.Unnecessary]
        editor.change(DEAD.replace("kev and", "not kev and"))
        assert await editor.heard() == []

    asyncio.run(in_editor(course))


def test_an_editor_that_asks_is_told_to_ask_again() -> None:
    async def course(editor: Editor) -> None:
        editor.open(DEAD)
        first = await pulled(editor)
        assert isinstance(first, lsp.RelatedFullDocumentDiagnosticReport)
        assert list(first.items) == []
        await asyncio.wait_for(editor.refreshed.get(), PATIENCE)
        second = await pulled(editor, first.result_id)
        assert isinstance(second, lsp.RelatedFullDocumentDiagnosticReport)
        assert [one.code for one in second.items] == ["POL3003"]
        third = await pulled(editor, second.result_id)
        assert isinstance(third, lsp.RelatedUnchangedDocumentDiagnosticReport)
        assert editor.told.empty()

    asyncio.run(in_editor(course, pulls=True))


def test_characters_that_are_two_units() -> None:
    async def course(editor: Editor) -> None:
        editor.open(WIDE)
        line = WIDE.splitlines()[1]
        found = {str(one.code): one.range for one in await editor.heard()}

        def units(text: str) -> int:
            return len(text.encode("utf-16-le")) // 2

        at = units(line[: line.index("sevrity")])
        assert found["POL2001"] == lsp.Range(lsp.Position(1, at), lsp.Position(1, at + 7))
        assert at == line.index("sevrity") + 2
        where = lsp.Range(lsp.Position(1, 0), lsp.Position(1, units(line)))
        params = lsp.CodeActionParams(editor.text, where, lsp.CodeActionContext([]))
        actions = await editor.client.text_document_code_action_async(params)
        assert actions is not None
        every = next(one for one in actions if isinstance(one, lsp.CodeAction) and one.kind == "source.fixAll")
        assert every.edit is not None
        assert every.edit.changes is not None
        mended = line
        for edit in reversed(every.edit.changes[URI]):
            raw = mended.encode("utf-16-le")
            start, end = 2 * edit.range.start.character, 2 * edit.range.end.character
            mended = (raw[:start] + edit.new_text.encode("utf-16-le") + raw[end:]).decode("utf-16-le")
        assert mended == line.replace('status = "Blocked"', 'status := "blocked"')

    asyncio.run(in_editor(course))


def test_an_editor_that_counts_in_other_units_and_sends_what_is_no_text() -> None:
    async def course(editor: Editor) -> None:
        editor.open(WIDE)
        line = WIDE.splitlines()[1]
        found = {str(one.code): one.range for one in await editor.heard()}
        assert found["POL2001"].start.character == len(line[: line.index("sevrity")].encode())
        editor.change(DEAD.replace('"x"', '"\ud83d"'))
        assert [one.code for one in await editor.heard()] == ["POL1002"]
        assert "when" not in await editor.completion(1, 29)
        rules = "".join(f'  rule r{n} priority {n} {{ when kv{n} then warn message "x" }}\n' for n in range(300))
        editor.change(f'policy "p" syntax "stella-dsl@1" {{\n{rules}}}\n')
        assert len(await editor.heard()) >= 100

    asyncio.run(in_editor(course, "--no-proofs", units=[lsp.PositionEncodingKind.Utf8]))


def test_answers_about_a_text_that_is_being_written() -> None:
    async def course(editor: Editor) -> None:
        half = 'policy "p" syntax "stella-dsl@1" {\n  rule a {\n    when severity.normalized >= "'
        editor.open(half)
        assert list(await editor.completion(2, 100)) == ["None", "Low", "Medium", "High", "Critical"]
        editor.change(half[:-1])
        assert (await editor.completion(2, 33))["High"] == '"High"'
        editor.change(half[: half.index("severity")] + "vex.any(sta")
        assert "status" in await editor.completion(2, 20)
        assert "env.exposure" not in await editor.completion(2, 20)
        for cut in range(0, len(DEAD), 7):
            editor.change(DEAD[:cut])
        editor.change(DEAD)
        hovered = await editor.client.text_document_hover_async(lsp.HoverParams(editor.text, lsp.Position(1, 31)))
        assert hovered is not None
        assert "known exploited" in str(hovered.contents)
        laid = await editor.client.text_document_formatting_async(
            lsp.DocumentFormattingParams(editor.text, lsp.FormattingOptions(2, insert_spaces=True))
        )
        assert laid is not None
        assert "\n    when kev\n" in laid[0].new_text
        symbols = await editor.client.text_document_document_symbol_async(lsp.DocumentSymbolParams(editor.text))
        assert symbols is not None
        assert [one.name for one in symbols[0].children or []] == ["all", "none"]  # type: ignore[union-attr]
        tokens = await editor.client.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(editor.text))
        assert tokens is not None
        assert list(tokens.data[:10]) == [0, 0, 6, 1, 0, 0, 7, 3, 2, 0]

    asyncio.run(in_editor(course, "--no-proofs"))


def test_what_an_editor_takes_back_does_no_harm() -> None:
    async def course(editor: Editor) -> None:
        editor.open(DEAD)
        asked = editor.client.protocol.send_request_async(
            lsp.TEXT_DOCUMENT_HOVER, lsp.HoverParams(editor.text, lsp.Position(1, 31)), "7"
        )
        waiting = asyncio.ensure_future(asked)
        await asyncio.sleep(0)
        editor.client.cancel_request(lsp.CancelParams("7"))
        editor.client.cancel_request(lsp.CancelParams("never asked"))
        await asyncio.wait([waiting], timeout=PATIENCE)
        assert (await editor.completion(1, 29))["kev"] == "kev"
        editor.client.text_document_did_close(lsp.DidCloseTextDocumentParams(editor.text))
        assert (await asyncio.wait_for(editor.told.get(), PATIENCE)).uri == URI

    asyncio.run(in_editor(course, "--no-proofs"))


async def in_editor(course, *words: str, **more) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003
    async with editing(*words, **more) as editor:
        await course(editor)


async def pulled(editor: Editor, before: str | None = None) -> lsp.DocumentDiagnosticReport:
    params = lsp.DocumentDiagnosticParams(editor.text, previous_result_id=before)
    return await asyncio.wait_for(editor.client.text_document_diagnostic_async(params), PATIENCE)


@pytest.mark.network
def test_over_a_socket() -> None:
    async def course() -> None:
        words = [sys.executable, "-m", "stella", "policy", "lsp", "--socket", "0", "--no-proofs"]
        given = os.environ | {"PYTHONPATH": SOURCES}
        piped = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*words, env=given, stdout=piped, stderr=piped)
        assert process.stderr is not None
        said = (await asyncio.wait_for(process.stderr.readline(), PATIENCE)).decode()
        assert "listening on 127.0.0.1:" in said
        client = LanguageClient("test", "1")
        editor = Editor(client)
        await client.start_tcp("127.0.0.1", int(said.rpartition(":")[2]))
        result = await started(client)
        assert result.capabilities.position_encoding == lsp.PositionEncodingKind.Utf16
        editor.open(DEAD.replace("kev and", "kv and"))
        assert [one.code for one in await editor.heard()] == ["POL2001"]
        await asyncio.wait_for(client.shutdown_async(None), PATIENCE)
        client.exit(None)
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert (process.returncode, out, err) == (0, b"", b"")
        await client.stop()

    asyncio.run(course())


def test_an_editor_that_dies() -> None:
    words = [sys.executable, "-m", "stella", "policy", "lsp"]
    given = os.environ | {"PYTHONPATH": SOURCES}
    for sent in (b"", b"nonsense\r\n\r\nContent-Length: 2\r\n\r\n{}Content-Length: 9\r\n\r\nhalf"):
        done = subprocess.run(words, input=sent, env=given, capture_output=True, timeout=PATIENCE, check=False)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), (sent, done)
