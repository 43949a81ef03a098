"""Why a key, a proof of time or trust metadata is refused."""

from __future__ import annotations

from stella.kernel.errors import Exit, StellaError


class WrongPassphrase(StellaError):
    """Key {path} cannot be opened: {problem}.

    Private keys are encrypted at rest. It is another passphrase, or the file is damaged.
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

    It is the base64 of 32 raw Ed25519 bytes, in its one spelling, and no point of small order: anyone signs for those.
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

    It is an RFC 3161 token over the very data, by a time-stamp authority that the signer policy names.
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
    """Authority is valid from {begin} to {end}, a proof or certificate is wanted for {now}.

    It lives for ten years from the day it was made. What it says outside of them every reader would refuse.
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

    Each role has its own keys, set by the root. The file was altered, is another channel's, or by somebody who may not.
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

    What this side kept, or was given as its first trust, can no longer be read. The offered bundle is not the cause.
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


class BadSigstoreBundle(StellaError):
    """{what} is no signed statement that can be judged: {problem}.

    An attestation is a Sigstore bundle v0.3: a DSSE envelope with an in-toto Statement v1, its signer, proofs of time.
    """

    code = "SIGSTORE-001"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "ask who made it for the file as it was written"


class SigstoreBundleTooLarge(StellaError):
    """{what} has {size} bytes, the limit is {limit}.

    An attestation names digests and says what was found; it holds no data. A larger one is not read.
    """

    code = "SIGSTORE-002"
    exit = Exit.NEGATIVE
    reason = "size"
    hint = "ask who made it for the attestation alone"


class SignaturesNotOne(StellaError):
    """{what} carries {count} signatures, exactly one is expected.

    A bundle has one signer. A second signature could be read by one tool and passed over by another.
    """

    code = "SIGSTORE-003"
    exit = Exit.NEGATIVE
    reason = "signature_count"
    hint = "use one bundle for each signer"


class SignatureMalformed(StellaError):
    """Signature of {what} is malformed: {problem}.

    A signature is the base64 of an ECDSA signature in DER, or of 64 bytes of Ed25519, in its one spelling.
    """

    code = "SIGSTORE-004"
    exit = Exit.NEGATIVE
    reason = "signature_malformed"
    hint = "do not use this file; ask who made it for another copy"


class SignatureWrong(StellaError):
    """Signature of {what} does not match what it is over.

    The signer is known, the signature is not over these bytes: something was altered.
    """

    code = "SIGSTORE-005"
    exit = Exit.NEGATIVE
    reason = "signature"
    hint = "do not use this file; ask who made it for another copy"


class SignerUnknown(StellaError):
    """{what} is signed with key {keyid}, which is not trusted here.

    Trusted are the keys of the trust folder, for the purpose that was asked for. A newer key is not in an older folder.
    """

    code = "SIGSTORE-006"
    exit = Exit.NEGATIVE
    reason = "key_unknown"
    hint = "compare the id with `stella key list`, and fetch the trust folder again if the key is new"


class KeyNotBegun(StellaError):
    """{what} is signed with key {keyid}, which signs from {begins} on.

    A key is published before it is used. Whoever signs with it earlier did not publish it, or has a wrong clock.
    """

    code = "SIGSTORE-007"
    exit = Exit.NEGATIVE
    reason = "key_not_begun"
    hint = "sign with the active key: `stella key list` shows it"


class RetiredKey(StellaError):
    """{what} is signed with key {keyid}, which was retired at {ended}; {problem}.

    A retired key verifies only what a proof of time shows to be older than its end.
    """

    code = "SIGSTORE-008"
    exit = Exit.NEGATIVE
    reason = "key_retired"
    hint = "sign again with the active key"


class RevokedKey(StellaError):
    """{what} is signed with key {keyid}, which was revoked as of {ended}; {problem}.

    Somebody else may have had the key since. It verifies only what a proof of time shows to be older.
    """

    code = "SIGSTORE-009"
    exit = Exit.NEGATIVE
    reason = "key_revoked"
    hint = "do not use this file; sign again with another key if you know what was signed"


class CertificateExpired(StellaError):
    """Certificate of {what} was valid from {begin} to {end} and nothing proves that the signature is from then.

    Certificates live for ten minutes. Afterwards a proof of time has to show that the signature is from then.
    """

    code = "SIGSTORE-010"
    exit = Exit.NEGATIVE
    reason = "certificate_expired"
    hint = "sign again; the signer adds a proof of time"


class TimestampOutsideCertificate(StellaError):
    """{what} was signed at {signed}, its certificate is valid from {begin} to {end}.

    The proof of time is good, and shows that the signature was made when the certificate did not count.
    """

    code = "SIGSTORE-011"
    exit = Exit.NEGATIVE
    reason = "timestamp_outside_certificate"
    hint = "do not use this file; sign again"


class IdentityNotAllowed(StellaError):
    """{what} is signed by {identity}, who is not allowed to.

    The certificate is good. Allowed identities are given by whoever verifies, never by the file.
    """

    code = "SIGSTORE-012"
    exit = Exit.NEGATIVE
    reason = "identity"
    hint = "give the identity that you expect with `--identity`; without one nobody without a key is believed"


class IssuerNotAllowed(StellaError):
    """{what} is signed by {identity} on the word of {issuer}, who is not allowed to say so.

    The same name means somebody else when another issuer vouches for it.
    """

    code = "SIGSTORE-013"
    exit = Exit.NEGATIVE
    reason = "issuer"
    hint = "give the issuer that you expect with `--issuer`"


class CertificateUsage(StellaError):
    """Certificate of {what} is not for signing: {problem}.

    A signer's certificate has code signing as its extended usage, digital signature as its usage, and is no authority.
    """

    code = "SIGSTORE-014"
    exit = Exit.NEGATIVE
    reason = "certificate_usage"
    hint = "do not use this file; sign again with a certificate that is made for it"


class CertificateChain(StellaError):
    """Certificate of {what} does not lead to a trusted authority: {problem}.

    Trusted are the authorities of the trusted root, each within its life.
    """

    code = "SIGSTORE-015"
    exit = Exit.NEGATIVE
    reason = "certificate_chain"
    hint = "check that the trusted root is that of the signer"


class BadCertificate(StellaError):
    """Certificate of {what} is malformed: {problem}.

    It must be an X.509 certificate with one URI as its name, and with the issuer that vouches for it.
    """

    code = "SIGSTORE-016"
    exit = Exit.NEGATIVE
    reason = "certificate_malformed"
    hint = "do not use this file; ask who made it for another copy"


class TimestampWrong(StellaError):
    """Proof of time of {what} does not count: {problem}.

    Each must be over the signature and by an authority of the trusted root. One that is not is never passed over.
    """

    code = "SIGSTORE-017"
    exit = Exit.NEGATIVE
    reason = "timestamp"
    hint = "do not use this file; sign again"


class SignedInFuture(StellaError):
    """{what} was signed at {signed}, which is later than now, {now}.

    Either the clock of this machine is behind, or that of the authority of time was ahead.
    """

    code = "SIGSTORE-018"
    exit = Exit.NEGATIVE
    reason = "future_time"
    hint = "compare the clock of this machine with another one"


class PredicateNotAllowed(StellaError):
    """{what} states `{found}`, expected {wanted}.

    A signature over one kind of statement must never be accepted for another kind.
    """

    code = "SIGSTORE-019"
    exit = Exit.NEGATIVE
    reason = "predicate_type"
    hint = "take the attestation of the kind that was asked for, or name the kind with `--predicate-type`"


class SubjectDiffers(StellaError):
    """{what} is not about sha256:{wanted}.

    The statement is good and is about something else: another file, or another state of this one.
    """

    code = "SIGSTORE-020"
    exit = Exit.NEGATIVE
    reason = "subject_digest"
    hint = "take the attestation of this file, or the file that was attested"


class NotFresh(StellaError):
    """{what} was signed at {signed}, {age} ago; the limit is {limit}.

    What was true then may not be any more. Whoever verifies sets the limit.
    """

    code = "SIGSTORE-021"
    exit = Exit.NEGATIVE
    reason = "stale"
    hint = "examine again and sign the result"


class Undated(StellaError):
    """{what} has no proof of time, and one is asked for.

    Without one nobody can say when it was signed.
    """

    code = "SIGSTORE-022"
    exit = Exit.NEGATIVE
    reason = "undated"
    hint = "sign again; the signer adds a proof of time"


class LogMissing(StellaError):
    """{what} cannot be found in a transparency log: {problem}.

    `require` asks for an entry of a trusted log, `allow` checks those that are there, `skip` looks at none.
    """

    code = "SIGSTORE-023"
    exit = Exit.NEGATIVE
    reason = "transparency"
    hint = "verify with `--transparency skip` if you accept it without a log"


class BadTrust(StellaError):
    """{what} cannot be used as trust: {problem}.

    It has `keys.json` with keys and their times, `trusted_root.json` with authorities of certificates and of time.
    """

    code = "SIGSTORE-024"
    exit = Exit.NEGATIVE
    reason = "structure"
    hint = "fetch the trust folder again from its owner, by another way than the attestations"


class UnusableKey(StellaError):
    """Key {what} cannot be used: {problem}.

    Keys are on P-256 or Ed25519. A private key is encrypted: PKCS#8, or the PEM that cosign writes.
    """

    code = "KEY-005"
    exit = Exit.USAGE
    reason = "key_malformed"
    hint = "make one: `stella key create`, or `cosign generate-key-pair`"
