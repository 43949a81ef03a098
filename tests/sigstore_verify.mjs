// Npm's @sigstore/verify over bundles: reads one JSON document from its input, prints `accepted` or the code of the refusal of each.
// argv: folder of node_modules. Input: {root, keys: {hint: base64 SPKI}, cases: [{bundle, identity?, issuer?}]}.
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.argv[2]}/x.js`);
const { bundleFromJSON } = require('@sigstore/bundle');
const { TrustedRoot } = require('@sigstore/protobuf-specs');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

const { root, keys, cases } = JSON.parse(readFileSync(0, 'utf8'));
const found = (hint) => {
  if (!keys[hint]) throw Object.assign(new Error('no such key'), { code: 'PUBLIC_KEY_ERROR' });
  return { publicKey: createPublicKey({ key: Buffer.from(keys[hint], 'base64'), format: 'der', type: 'spki' }), validFor: () => true };
};
const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(root), found), { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 1 });
for (const { bundle, identity, issuer } of cases) {
  try {
    const policy = identity && { subjectAlternativeName: identity, extensions: { issuer } };
    verifier.verify(toSignedEntity(bundleFromJSON(bundle)), policy);
    console.log('accepted');
  } catch (error) {
    console.log(error.code ?? error.name);
  }
}
