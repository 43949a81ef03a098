"""Why keys are not made, changed or used."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class NoKeys(StellaError):
    """{path} holds no keys that sign statements.

    The folder is not there, or nothing was made in it.
    """

    code = "KEY-010"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "make the first key: `stella key create`, or name another folder with `--dir`"


class KeyThere(StellaError):
    """{path} has a key for `{purpose}` already, {keyid}.

    There is one key for a purpose at a time; the next one takes over from it.
    """

    code = "KEY-011"
    exit = Exit.USAGE
    reason = "exists"
    hint = "replace it: `stella key rotate --purpose {purpose} --reason ... --ticket ...`"


class NoActiveKey(StellaError):
    """{path} has no key that signs for `{purpose}` now.

    None was made, or the last one was retired or revoked and the next one has not begun.
    """

    code = "KEY-012"
    exit = Exit.NOT_FOUND
    reason = "no_active_key"
    hint = "`stella key list` shows what there is; `stella key create --purpose {purpose}` makes one"


class KeyNotListed(StellaError):
    """{path} has no key {keyid}.

    A key is named by its id, or by the first characters of it that no other key has; at least eight.
    """

    code = "KEY-013"
    exit = Exit.NOT_FOUND
    reason = "not_found"
    hint = "`stella key list` shows the ids"


class NextKeyWaits(StellaError):
    """Key {keyid} for `{purpose}` waits already, and signs from {begins} on.

    A rotation under way is not started twice; verifiers are about to learn of the key that waits.
    """

    code = "KEY-014"
    exit = Exit.USAGE
    reason = "rotating"
    hint = "wait for it, or revoke it first if it must never sign"


class BadPurpose(StellaError):
    """`{purpose}` is no purpose.

    A purpose is a word of small letters, digits and hyphens, such as policy or sdk-npm. Each has a key of its own, so
    that what one signs is never accepted as another's.
    """

    code = "KEY-015"
    exit = Exit.USAGE
    reason = "usage"
    hint = "write it with small letters, digits and hyphens, at most 40 characters"


class BadStore(StellaError):
    """Keys in {path} cannot be used: {problem}.

    The file that says which keys there are is damaged, or was written by another version.
    """

    code = "KEY-016"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "restore the folder from its backup"


class BadPredicate(StellaError):
    """Predicate in {path} cannot be signed: {problem}.

    A predicate is a JSON object, and its type is an address such as https://example.com/attestation/scan/v1.
    """

    code = "KEY-017"
    exit = Exit.USAGE
    reason = "predicate"
    hint = "give an object with `--predicate`, and its type with `--predicate-type`"


class BadOverlap(StellaError):
    """A rotation with an overlap of {overlap} is refused: the limit is {limit}.

    A key is published before it signs, for as long as verifiers need to learn of it, and not for ever.
    """

    code = "KEY-018"
    exit = Exit.USAGE
    reason = "usage"
    hint = "choose a shorter `--overlap`, or set `keys.overlap`"


class BadSince(StellaError):
    """A key cannot be revoked as of {since}, which is later than now, {now}.

    A revocation counts at once. It may reach back to when the key became known to others.
    """

    code = "KEY-019"
    exit = Exit.USAGE
    reason = "usage"
    hint = "leave out `--since`, or give an earlier time"


class NoIdentityTrust(StellaError):
    """No issuer is known that could vouch for an identity.

    Signing without a key asks who you are: a token of an issuer that `issuers.json` in the folder of `identity.trust`
    names.
    """

    code = "KEY-020"
    exit = Exit.USAGE
    reason = "usage"
    hint = "set `identity.trust`, or sign with a key: leave out `--keyless`"


class KeylessAtService(StellaError):
    """A service signs with its keys, not in the name of whoever asks.

    A certificate is made where the authority's key is, out of the token of the process there.
    """

    code = "KEY-021"
    exit = Exit.USAGE
    reason = "usage"
    hint = "leave out `--keyless`, or run the command without `--server`"


class BadCustody(StellaError):
    """Keys cannot be made in `{custody}`.

    Private keys are made in files, or in OpenBao.
    """

    code = "KEY-022"
    exit = Exit.USAGE
    reason = "usage"
    hint = "set `keys.custody` to `file` or `bao`"


class PassphraseTooShort(StellaError):
    """Passphrase has {length} characters, at least {least} are needed.

    It alone protects the private keys when somebody copies the folder.
    """

    code = "KEY-023"
    exit = Exit.USAGE
    reason = "usage"
    hint = "make one: `openssl rand -base64 24`"


class ListFull(StellaError):
    """{path} has {count} keys, the limit is {limit}.

    Every verifier reads the whole list.
    """

    code = "KEY-024"
    exit = Exit.USAGE
    reason = "full"
    hint = "begin another folder, and keep this one's trust for what it has signed"
