"""An editor for tests: the library's client, a process of ours behind it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

import stella

URI = "file:///policies/a.stella"
SOURCES = str(Path(stella.__file__).parents[1])
PATIENCE = 60  # seconds for an answer on a busy machine; no test asserts it


class Editor:
    """Opens and changes one text, and keeps what it is told of it."""

    def __init__(self, client: LanguageClient) -> None:
        self.client = client
        self.version = 0
        self.told: asyncio.Queue[lsp.PublishDiagnosticsParams] = asyncio.Queue()
        self.refreshed: asyncio.Queue[None] = asyncio.Queue()
        self.said: list[str] = []

        @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: lsp.PublishDiagnosticsParams) -> None:
            self.told.put_nowait(params)

        @client.feature(lsp.WORKSPACE_DIAGNOSTIC_REFRESH)
        def refresh(params: Any) -> None:
            del params
            self.refreshed.put_nowait(None)

        @client.feature(lsp.WINDOW_LOG_MESSAGE)
        def logged(params: lsp.LogMessageParams) -> None:
            self.said.append(params.message)

    def open(self, text: str) -> None:
        self.version += 1
        item = lsp.TextDocumentItem(URI, "stella", self.version, text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))

    def change(self, text: str) -> None:
        self.version += 1
        named = lsp.VersionedTextDocumentIdentifier(self.version, URI)
        whole = lsp.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(named, [whole]))

    async def heard(self, *, until: str = "") -> list[lsp.Diagnostic]:
        """The diagnostics of the newest version, once there are some with that code."""
        while True:
            told = await asyncio.wait_for(self.told.get(), PATIENCE)
            if told.version == self.version and (not until or any(one.code == until for one in told.diagnostics)):
                return list(told.diagnostics)

    @property
    def text(self) -> lsp.TextDocumentIdentifier:
        return lsp.TextDocumentIdentifier(URI)

    async def completion(self, line: int, character: int) -> dict[str, str]:
        """Labels, and what each would write."""
        asked = lsp.CompletionParams(self.text, lsp.Position(line, character))
        found = await self.client.text_document_completion_async(asked)
        assert isinstance(found, lsp.CompletionList)
        edits = {one.label: one.text_edit for one in found.items}
        assert all(isinstance(edit, lsp.TextEdit) for edit in edits.values())
        return {label: edit.new_text for label, edit in edits.items() if isinstance(edit, lsp.TextEdit)}


@contextlib.asynccontextmanager
async def editing(
    *words: str, pulls: bool = False, units: list[lsp.PositionEncodingKind] | None = None
) -> AsyncIterator[Editor]:
    """An editor with a server of its own over standard input and output; both end with the block."""
    client = LanguageClient("test", "1")
    editor = Editor(client)
    environment = os.environ | {"PYTHONPATH": SOURCES}
    await client.start_io(sys.executable, "-m", "stella", "policy", "lsp", *words, env=environment)
    await started(client, pulls=pulls, units=units)
    try:
        yield editor
    finally:
        await asyncio.wait_for(client.shutdown_async(None), PATIENCE)
        client.exit(None)
        process = client._server
        assert process is not None
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
        await client.stop()


async def started(
    client: LanguageClient, *, pulls: bool = False, units: list[lsp.PositionEncodingKind] | None = None
) -> lsp.InitializeResult:
    """The handshake."""
    text = lsp.TextDocumentClientCapabilities(diagnostic=lsp.DiagnosticClientCapabilities() if pulls else None)
    refresh = lsp.WorkspaceClientCapabilities(
        diagnostics=lsp.DiagnosticWorkspaceClientCapabilities(refresh_support=True)
    )
    general = lsp.GeneralClientCapabilities(position_encodings=units) if units else None
    can = lsp.ClientCapabilities(text_document=text, workspace=refresh, general=general)
    result = await asyncio.wait_for(
        client.initialize_async(lsp.InitializeParams(can, process_id=os.getpid())), PATIENCE
    )
    client.initialized(lsp.InitializedParams())
    return result
