// A real OpenID provider for tests: npm's oidc-provider on a free port of loopback, which it prints.
// argv: folder of node_modules, seconds to live.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, life] = process.argv.slice(2);
const require = createRequire(`${modules}/x.js`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const server = createServer((request, answer) => handle(request, answer));
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;
const scopes = ['client:read', 'audit:read', 'jobs:read'];
const provider = new Provider(issuer, {
  clients: [
    { client_id: 'ci', client_secret: 'only for tests', grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: scopes.join(' ') },
    { client_id: 'stella', token_endpoint_auth_method: 'none', application_type: 'native', grant_types: ['urn:ietf:params:oauth:grant-type:device_code'], redirect_uris: [], response_types: [], scope: `openid ${scopes.join(' ')}` },
  ],
  scopes,
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    dPoP: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:stella',
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: scopes.join(' '),
        audience: 'stella',
        accessTokenFormat: 'jwt',
        accessTokenTTL: 300,
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  extraTokenClaims: (_, token) => ({ tid: token.clientId === 'ci' || token.accountId === 'ada' ? 'acme' : 'beta' }),
});
provider.on('server_error', (_, error) => console.error(error));
const handle = provider.callback();
console.log(issuer);
setTimeout(() => process.exit(0), Number(life) * 1000);
process.stdin.on('end', () => process.exit(0)).resume();
