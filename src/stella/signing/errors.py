"""Why a key, a proof of time or trust metadata is refused."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class WrongPassphrase(StellaError):
    """Key {path} cannot be opened: {problem}.

    Private keys are encrypted at rest. The passphrase is another one, or the file is damaged.
    """

    code = "KEY-001"
    exit = Exit.DENIED
    reason = "passphrase"
    hint = "check the passphrase: `keys.passphrase` refers to it, by default STELLA_KEY_PASSPHRASE"


class MalformedProductionKey(StellaError):
    """Production key is malformed: {problem}.

    The secret behind `mirror.sign_key` must be the base64 of an Ed25519 private key in PEM (PKCS#8), unencrypted. A
    malformed key is never replaced by another one, and nothing of it is ever printed.
    """

    code = "KEY-002"
    exit = Exit.USAGE
    reason = "key_malformed"
    hint = "make one: `openssl genpkey -algorithm ed25519 | base64 -w0`"


class MalformedPublicKey(StellaError):
    """Public key is malformed: {problem}.

    A public key is the base64 of 32 raw Ed25519 bytes, in its one spelling. A point of small order is refused, because
    anyone can sign for it.
    """

    code = "KEY-003"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "obtain the public key again from its owner: `stella mirror status`"


class BadPolicy(StellaError):
    """Signer policy is not usable: {problem}.

    A policy names distinct keys, each under its own id, with thresholds that can be met, and authorities of time with a
    life that ends after it begins.
    """

    code = "KEY-004"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "fetch the bundle again; the policy in it is damaged"


class AnchorInvalid(StellaError):
    """Proof of time is not valid: {problem}.

    A proof of time is an RFC 3161 token over the content root, by a time-stamp authority that the signer policy names,
    made when the bundle was.
    """

    code = "TIME-001"
    exit = Exit.NEGATIVE
    reason = "anchor_invalid"
    hint = "do not use this file; fetch the generation again from the vendor"


class AuthorityUnreachable(StellaError):
    """Time-stamp authority {url} gave no token: {problem}.

    The bundle was not made, because it would have no proof of time.
    """

    code = "TIME-002"
    exit = Exit.TRANSIENT
    reason = "unavailable"
    hint = "try again later, or use the channel's own authority by leaving `mirror.tsa_url` empty"


class UnusableAuthority(StellaError):
    """Time-stamp authority `{url}` cannot be used: {problem}.

    An authority is asked over https, or over http on this machine.
    """

    code = "TIME-003"
    exit = Exit.USAGE
    reason = "usage"
    hint = "set `mirror.tsa_url` to an https address, or leave it empty"


class AuthorityNotInForce(StellaError):
    """The channel's time-stamp authority is valid from {begin} to {end}, a proof is wanted for {now}.

    An authority lives for ten years from the day the channel was made. A token outside that time would be refused by
    every reader, so none is made.
    """

    code = "TIME-004"
    exit = Exit.USAGE
    reason = "usage"
    hint = "choose a time within those: the clock of this machine, `--created` or SOURCE_DATE_EPOCH is wrong"


class BadMetadata(StellaError):
    """TUF metadata {name} is not usable: {problem}.

    The file is missing, damaged, or not what TUF metadata must look like.
    """

    code = "TUF-001"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "fetch the bundle again"


class UntrustedMetadata(StellaError):
    """TUF metadata {name} carries no valid signature by a key that {by} gives its role.

    Each role has its own keys, set by the root. The file was altered after it was signed, belongs to another channel,
    or somebody made it who may not.
    """

    code = "TUF-002"
    exit = Exit.NEGATIVE
    reason = "signature"
    hint = "check that the trust folder belongs to this channel; do not use the bundle otherwise"


class MetadataRollback(StellaError):
    """TUF metadata {name} has version {found}, this side has already seen {seen}.

    Versions only go up. Somebody is replaying old metadata.
    """

    code = "TUF-003"
    exit = Exit.NEGATIVE
    reason = "rollback"
    hint = "fetch the newest generation of the channel"


class MetadataMixed(StellaError):
    """TUF metadata {name} does not belong to the others: {problem}.

    Each file is genuine by itself but they were not published together.
    """

    code = "TUF-004"
    exit = Exit.NEGATIVE
    reason = "mix_and_match"
    hint = "fetch the bundle again from the vendor"


class RootGap(StellaError):
    """Root metadata {missing} is missing between the trusted version {trusted} and the offered {offered}.

    Trust goes from each root to the next one; none can be skipped.
    """

    code = "TUF-005"
    exit = Exit.NEGATIVE
    reason = "root_gap"
    hint = "fetch the bundle again; it must carry every root version"


class MetadataBelowThreshold(StellaError):
    """TUF metadata {name} carries {valid} of the {threshold} valid signatures that {by} asks for.

    New root metadata needs the threshold of the old root and its own; each key counts once.
    """

    code = "TUF-006"
    exit = Exit.NEGATIVE
    reason = "threshold"
    hint = "have the missing key holders sign, then carry the bundle again"


class TrustDamaged(StellaError):
    """Trusted metadata {name} of this side is damaged: {problem}.

    What this side kept from an earlier import, or was given as its first trust, can no longer be read. The offered
    bundle is not the cause.
    """

    code = "TUF-008"
    exit = Exit.NEGATIVE
    reason = "trust_damaged"
    hint = "restore the folder from its backup, or lay it again from the vendor's trust folder"


class BadRotation(StellaError):
    """Keys of the role {role} cannot be rotated: {problem}.

    A root change is signed by the threshold of the old and of the new root keys, gives a role as many keys as its
    threshold needs, and gives one key to one role only.
    """

    code = "TUF-009"
    exit = Exit.USAGE
    reason = "threshold"
    hint = "bring as many root keys as the threshold asks for, and fresh keys for the role"
