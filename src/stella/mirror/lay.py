"""Lays a channel and shows what it is."""

from __future__ import annotations

import base64

from stella.bundle.channel import ID, ROOT_KEYS, ChannelFolder
from stella.bundle.cutting import open_channel
from stella.bundle.errors import ProductionKeyMissing
from stella.bundle.model import Channel, Head, Mark
from stella.bundle.publish import expiries, given_production_key, is_trust
from stella.bundle.verify import SIGNERS_TARGET
from stella.kernel.canonical import dump
from stella.kernel.digest import sha256
from stella.kernel.instant import Instant, format_time
from stella.mirror import receipts
from stella.mirror.errors import BadThreshold, ChannelExists, PassphraseShort
from stella.mirror.model import ChannelLaid, ChannelShown, ChannelStatus, GenerationRow, InitChannel, RoleRow
from stella.operations import Context
from stella.runtime.places import below
from stella.signing import signers, tuf_repository
from stella.signing.authority import YEARS, Authority, make_authority
from stella.signing.keys import PrivateKey
from stella.signing.signers import AnchorRoot, PolicyRole, SignerPolicy, policy_key

MIN_PASSPHRASE = 8  # characters; the key derivation cannot make up for less


def passphrase_of(ctx: Context) -> bytes:
    """The passphrase for new keys; raises SecretMissing or PassphraseShort."""
    passphrase = ctx.secret(ctx.settings.keys.passphrase)
    if len(passphrase) < MIN_PASSPHRASE:
        raise PassphraseShort(length=len(passphrase), limit=MIN_PASSPHRASE)
    return passphrase


def release_role(ctx: Context, signer_count: int, threshold: int) -> tuple[PolicyRole, dict[str, PrivateKey]]:
    """A release role and the development keys made for it, by key id. A given production key takes the first place."""
    if not 1 <= threshold <= signer_count:
        raise BadThreshold(threshold=threshold, signers=signer_count)
    production = given_production_key(ctx)
    if production is not None and ctx.settings.mirror.require_prod_signing and signer_count > 1:
        raise ProductionKeyMissing(problem=f"{signer_count} release keys are asked for, and one is a production key")
    made = [PrivateKey.generate(ctx.entropy) for _ in range(signer_count - (production is not None))]
    keys = [policy_key(key.public, development=True) for key in made]
    if production is not None:
        keys.insert(0, policy_key(production.public, development=False))
    return PolicyRole(tuple(keys), threshold), {key.keyid: key for key in made}


def anchor_root(authority: Authority, now: Instant) -> AnchorRoot:
    """The policy's form of a new authority, named by its root certificate; tokens count from a day before now."""
    return AnchorRoot(
        name=sha256(authority.root)[:ID],
        certificate=base64.b64encode(authority.root).decode(),
        valid_from=format_time(now - 86_400),
        valid_to=format_time(now + YEARS * 365 * 86_400 - 86_400),
        revoked=False,
    )


def init(ctx: Context, want: InitChannel) -> ChannelLaid:
    """Lay a channel folder; raises ChannelExists, ProductionKeyMissing, PassphraseShort."""
    passphrase = passphrase_of(ctx)
    release, release_keys = release_role(ctx, want.signers, want.threshold)
    store = ChannelFolder(ctx.folder(want.dir, make=True), want.dir)
    now = ctx.clock.read().wall
    with store.folder.lock():
        if store.folder.exists("channel.json"):
            raise ChannelExists(path=want.dir, channel=store.channel().channel)
        channel_id = ctx.entropy(16).hex()
        roots = [PrivateKey.generate(ctx.entropy) for _ in range(ROOT_KEYS)]
        online = {role: PrivateKey.generate(ctx.entropy) for role in tuf_repository.ONLINE}
        packer = PrivateKey.generate(ctx.entropy)
        authority = make_authority(ctx.entropy, now, want.channel)
        policy = SignerPolicy(
            channel=want.channel,
            channel_id=channel_id,
            release=release,
            packer=PolicyRole((policy_key(packer.public, development=False),), 1),
            anchors=(anchor_root(authority, now),),
        )
        targets = {SIGNERS_TARGET: dump(policy)}
        metadata = tuf_repository.initial(roots, online, targets, now, expiries(ctx))
        documents = {"signers.json": targets[SIGNERS_TARGET]} | {f"tuf/{name}": data for name, data in metadata.items()}
        named = [("root", key) for key in roots] + [("release", key) for key in release_keys.values()]
        named += [*online.items(), ("packer", packer)]
        store.write_keys([(role, key.keyid, key) for role, key in named], passphrase)
        store.write_authority(policy.anchors[0].name, authority, passphrase)
        store.flip(Head(generation=None, documents={title: store.keep(data) for title, data in documents.items()}))
        channel = Channel(channel=want.channel, channel_id=channel_id, created=format_time(now))
        store.publish(channel, flipped=True)
        store.folder.write(
            "channel.json", dump(channel)
        )  # the last file: without it there is no channel, and init can run again
    root = tuf_repository.newest_root(metadata)
    return ChannelLaid(
        channel=want.channel,
        channel_id=channel_id,
        dir=want.dir,
        trust=below(want.dir, "trust"),
        root_sha256=sha256(root),
        root_keyids=tuple(key.keyid for key in roots),
        release_keyids=tuple(key.keyid for key in release.keys),
        release_threshold=release.threshold,
        signing="development" if any(key.development for key in release.keys) else "production",
    )


def metadata_of(store: ChannelFolder, head: Head) -> dict[str, bytes]:
    """Current TUF metadata by file name."""
    return {
        title.removeprefix("tuf/"): store.document(digest)
        for title, digest in head.documents.items()
        if is_trust(title) and title.startswith("tuf/")
    }


def status(ctx: Context, want: ChannelStatus) -> ChannelShown:
    """Generations, keys, expiries and sites of a channel."""
    store = open_channel(ctx, want.dir)
    channel, head = store.channel(), store.head()
    policy = signers.parse(store.document(head.documents["signers.json"]))
    rows = [
        RoleRow(role, facts.keyids, facts.threshold, facts.version, format_time(facts.expires))
        for role, facts in tuf_repository.roles(metadata_of(store, head)).items()
    ]
    for name, role in (("release", policy.release), ("packer", policy.packer)):
        rows.append(RoleRow(name, tuple(key.keyid for key in role.keys), role.threshold, None, None))
    rows += [
        RoleRow("anchor", (sha256(base64.b64decode(root.certificate)),), 1, None, root.valid_to)
        for root in policy.anchors
    ]
    mark: Mark | None = head.generation
    return ChannelShown(
        channel=channel.channel,
        channel_id=channel.channel_id,
        dir=want.dir,
        head=mark.generation if mark else None,
        generations=tuple(
            GenerationRow(record.generation, record.root, record.created, record.files, record.content_bytes)
            for record in store.records()
        ),
        roles=tuple(rows),
        sites=tuple(site.site for site in receipts.sites(store)),
        store_bytes=store.folder.usage("store/"),
        signing="development" if any(key.development for key in policy.release.keys) else "production",
    )
