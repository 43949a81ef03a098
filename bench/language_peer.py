"""lark on policies, in an environment of its own: the name of a file on a line, CPU seconds to parse it in the next.

Rules:
- The grammar is that of docs/policy/language.md, as LALR with a contextual lexer, lark's fastest way.
- It makes lark's tree with places, as the product's parser does; nothing is checked and nothing turned into types.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from lark import Lark  # type: ignore[import-not-found]  # of the peers' environment

GRAMMAR = r"""
start: "policy" TEXT "syntax" TEXT "{" member* "}"
?member: entries_block | profile | rule | invariant
entries_block: (METADATA | SETTINGS) entries
entries: "{" entry* "}"
entry: NAME ("=" | ":") expression ","? ";"?
profile: "profile" NAME "{" (map | env | entry)* "}"
map: "map" NAME "{" (dotted TEXT "=>" expression ","? ";"?)* "}"
env: "env" NAME "{" ("if" expression "then" expression ","? ";"?)* "}"
rule: "rule" NAME ["priority" expression] "{" clause* "}"
?clause: when | then | otherwise | because
when: "when" expression ";"?
then: "then" action+
otherwise: "else" action+
because: "because" TEXT ";"?
action: (dotted ":=" expression | "warn" "message"? TEXT | "annotate" NAME TEXT | "ignore" "until" expression
        | "requireVex" entries) ";"?
invariant: "invariant" NAME "{" expression "=>" expression ";"? "}"
?expression: conjunction | expression "or" conjunction
?conjunction: negation | conjunction "and" negation
?negation: comparison | "not" negation
?comparison: sum | sum sign sum
sign: "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" "in"
?sum: unary | sum ("+" | "-") unary
?unary: value | ("+" | "-") unary
?value: TEXT | NUMBER | dotted | call | list | "(" expression ")"
call: dotted "(" [expression ("," expression)*] ")"
list: "[" [expression ("," expression)*] "]"
dotted: NAME ("." NAME)*
METADATA: "metadata"
SETTINGS: "settings"
NAME: /[A-Za-z_][A-Za-z0-9_]*/
NUMBER: /[0-9]+(\.[0-9]+)?/
TEXT: /"(?:[^"\\\r\n]|\\[^\r\n])*"/
COMMENT: /\/\/[^\r\n]*/ | /\/\*(?:[^*]|\*(?!\/))*\*\//
%ignore COMMENT
%ignore /[ \t\r\n\f\v]+/
"""


def main() -> None:
    """Answer lines until the input ends."""
    parser = Lark(GRAMMAR, parser="lalr", lexer="contextual", propagate_positions=True)
    for line in sys.stdin:
        text = Path(line.strip()).read_text(encoding="utf-8")
        begin = time.process_time()
        parser.parse(text)
        print(time.process_time() - begin, flush=True)


if __name__ == "__main__":
    main()
