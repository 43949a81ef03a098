"""The language server: an editor's texts, what it asks about them, and proofs while nobody types.

Rules:
- A text comes as a whole with each change, so that no edit of a line can be misread. Whoever types never waits for a
  proof, nor for the diagnostics of a text that has changed again.
- Diagnostics are sent to an editor that does not ask for them, and are there for one that does; then it is told when
  the proofs have come.
- Nothing but the protocol is written to standard output.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from threading import Event
from typing import Any, cast

from lsprotocol import types as lsp
from pygls.io_ import StdinAsyncReader, StdoutWriter, run_async
from pygls.lsp.server import LanguageServer

import stella
from stella.language.compile import Compiled
from stella.operations import Context
from stella.policy.editor.background import Background, Wish
from stella.policy.editor.document import FIX_ALL, TRIGGERS, Page
from stella.policy.editor.outline import PAINTS
from stella.policy.editor.positions import Units
from stella.policy.text.model import LanguageServed, ServeLanguage
from stella.policy.text.proofs import Judged, judged
from stella.prover.memory import Memory

SETTLE = 0.05  # seconds without a change before a text is compiled
PAUSE = 0.4  # seconds without a change before it is proved
HOST = "127.0.0.1"
QUIET = logging.CRITICAL  # the library logs what its peer did wrong, with a traceback
OPTIONS = lsp.DiagnosticOptions(inter_file_dependencies=False, workspace_diagnostics=False, identifier="stella")


def serve(ctx: Context, want: ServeLanguage) -> LanguageServed:
    """Serve one editor until it goes."""
    logging.getLogger("pygls").setLevel(QUIET)
    session = Session(proofs=want.proofs)
    try:
        if want.socket is None:
            asyncio.run(session.on_standard_streams())
        else:
            asyncio.run(session.on_socket(want.socket, ctx.say))
    finally:
        session.server.shutdown()  # type: ignore[no-untyped-call]  # of the library
    return LanguageServed()


class Session:
    """One editor and its texts."""

    def __init__(self, *, proofs: bool) -> None:
        self.server = LanguageServer(
            "stella", stella.__version__, text_document_sync_kind=lsp.TextDocumentSyncKind.Full
        )
        self._pages: dict[str, Page] = {}
        self._timers: dict[str, list[asyncio.TimerHandle]] = {}
        self._proofs = Background(self._judge, self._proved) if proofs else None
        self._memory = Memory()  # what an edit did not touch is not proved again
        self._loop: asyncio.AbstractEventLoop | None = None
        self._register()

    # the streams

    async def on_standard_streams(self) -> None:
        """Speak over standard input and output."""
        with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
            self.server.protocol.set_writer(StdoutWriter(out))
            await self._run(StdinAsyncReader(sys.stdin.buffer, self.server.thread_pool))

    async def on_socket(self, port: int, say: Any) -> None:  # noqa: ANN401
        """Speak with the first who connects to a port of this machine; which one is said."""
        ended = asyncio.get_running_loop().create_future()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            listening.close()
            self.server.protocol.set_writer(cast("Any", writer))
            try:
                await self._run(reader)
            finally:
                ended.set_result(None)

        listening = await asyncio.start_server(connected, HOST, port)
        say(f"listening on {HOST}:{listening.sockets[0].getsockname()[1]}")
        await ended

    async def _run(self, reader: Any) -> None:  # noqa: ANN401  # either reader of the library
        self._loop = asyncio.get_running_loop()
        with contextlib.suppress(SystemExit):  # how the library ends when the editor says so
            await run_async(Event(), reader, self.server.protocol, logging.getLogger("pygls"), None)

    # texts

    @property
    def _pulls(self) -> bool:
        """Whether the editor asks for diagnostics itself."""
        about = self.server.client_capabilities.text_document
        return about is not None and about.diagnostic is not None

    def page(self, uri: str) -> Page:
        """The text as it is now."""
        document = self.server.workspace.get_text_document(uri)
        version = document.version or 0
        page = self._pages.get(uri)
        if page is None or page.version != version or page.text != document.source:
            known = page if page is not None and page.text == document.source else None
            encoding = self.server.workspace.position_encoding
            units = cast("Units", str(getattr(encoding, "value", encoding or "utf-16")))
            page = Page(uri, version, document.source, units)
            page.proved = known.proved if known else None
            self._pages[uri] = page
        return page

    def changed(self, uri: str) -> None:
        """A text is there, or another one: look at it when it rests."""
        self._stop(uri)
        loop = asyncio.get_running_loop()
        self._timers[uri] = [loop.call_later(SETTLE, self.tell, uri), loop.call_later(PAUSE, self._prove, uri)]

    def closed(self, uri: str) -> None:
        """An editor has closed a text."""
        self._stop(uri)
        self._pages.pop(uri, None)
        if self._proofs:
            self._proofs.forget(uri)
        if not self._pulls:
            self.server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))

    def _stop(self, uri: str) -> None:
        for timer in self._timers.pop(uri, []):
            timer.cancel()

    def tell(self, uri: str) -> None:
        """Send the diagnostics, to whoever does not ask for them."""
        if not self._pulls:
            page = self.page(uri)
            said = lsp.PublishDiagnosticsParams(uri, page.diagnostics(), page.version)
            self.server.text_document_publish_diagnostics(said)

    # proofs

    def _prove(self, uri: str) -> None:
        page = self.page(uri)
        if self._proofs and page.proved is None and page.compiled.policy is not None:
            self._proofs.ask(Wish(uri, page.version, page.compiled))

    def _judge(self, compiled: Compiled) -> Judged:
        return judged(compiled, memory=self._memory)

    def _proved(self, wish: Wish, proved: Judged | Exception) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, wish, proved)

    def _take(self, wish: Wish, proved: Judged | Exception) -> None:
        """What came of a proof; nothing, when the text has changed since."""
        page = self._pages.get(wish.uri)
        if page is None or page.compiled is not wish.compiled:
            return
        if isinstance(proved, Exception):
            said = f"no proofs: {proved}"
            self.server.window_log_message(lsp.LogMessageParams(lsp.MessageType.Warning, said))
            return
        page.proved = proved.diagnostics
        self.tell(wish.uri)
        about = self.server.client_capabilities.workspace
        if self._pulls and about is not None and about.diagnostics and about.diagnostics.refresh_support:
            self.server.workspace_diagnostic_refresh(None)

    # what the editor asks

    def _register(self) -> None:
        server = self.server

        @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
        def opened(params: lsp.DidOpenTextDocumentParams) -> None:
            self.changed(params.text_document.uri)

        @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
        def changed(params: lsp.DidChangeTextDocumentParams) -> None:
            self.changed(params.text_document.uri)

        @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
        def closed(params: lsp.DidCloseTextDocumentParams) -> None:
            self.closed(params.text_document.uri)

        @server.feature(lsp.TEXT_DOCUMENT_DIAGNOSTIC, OPTIONS)
        def diagnostic(params: lsp.DocumentDiagnosticParams) -> lsp.DocumentDiagnosticReport:
            page = self.page(params.text_document.uri)
            if params.previous_result_id == page.state:
                return lsp.RelatedUnchangedDocumentDiagnosticReport(page.state)
            return lsp.RelatedFullDocumentDiagnosticReport(page.diagnostics(), result_id=page.state)

        self._register_answers()

    def _register_answers(self) -> None:
        server = self.server

        @server.feature(lsp.TEXT_DOCUMENT_COMPLETION, lsp.CompletionOptions(trigger_characters=list(TRIGGERS)))
        def completion(params: lsp.CompletionParams) -> lsp.CompletionList:
            return self.page(params.text_document.uri).completion(params.position)

        @server.feature(lsp.TEXT_DOCUMENT_HOVER)
        def hover(params: lsp.HoverParams) -> lsp.Hover | None:
            return self.page(params.text_document.uri).hover(params.position)

        @server.feature(lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions([lsp.CodeActionKind.QuickFix, FIX_ALL]))
        def action(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
            return self.page(params.text_document.uri).actions(params.range, params.context.only)

        @server.feature(lsp.TEXT_DOCUMENT_FORMATTING)
        def formatting(params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
            return self.page(params.text_document.uri).formatting()

        @server.feature(lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, lsp.SemanticTokensLegend(list(PAINTS), []))
        def tokens(params: lsp.SemanticTokensParams) -> lsp.SemanticTokens:
            return self.page(params.text_document.uri).tokens()

        @server.feature(lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
        def symbols(params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
            return self.page(params.text_document.uri).symbols()
