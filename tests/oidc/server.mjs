// npm's `oidc-provider`, a certified OpenID Connect server, as an application of it would find it; for tests/oidc.rs.
//
//   node server.mjs [PORT]     on 127.0.0.1, on a free port where none is given; the issuer is the first line that it prints
//   kill -USR2                 a new key signs, the one before it is still published; it prints `rotated`
//
// Tokens are had by the client credentials grant: the client is the session's subject.

import { createServer } from 'node:http';
import { generateKeyPair, randomUUID, webcrypto } from 'node:crypto';
import { promisify } from 'node:util';

// What Debian 12's Node.js 18 does not have yet, and what is imported next wants.
globalThis.crypto ??= webcrypto;
URL.parse ??= (url, base) => (URL.canParse(url, base) ? new URL(url, base) : null);
const { default: Provider } = await import('oidc-provider');

const ROLES = { alice: ['customer'], bob: ['agent'] };
const RESOURCES = { 'urn:usher-test': 'usher-test', 'urn:elsewhere': 'elsewhere' };

/** A private RSA key as a JWK, with a `kid` that nobody has seen. */
async function newKey() {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'RS256' };
}

/** The provider with these keys; the first of them signs. */
function provider(issuer, keys) {
  return new Provider(issuer, {
    jwks: { keys },
    clients: Object.keys(ROLES).map((client_id) => ({
      client_id,
      client_secret: `the-secret-of-${client_id}`,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
    extraTokenClaims: (_, token) => ({ roles: ROLES[token.clientId] }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          audience: RESOURCES[resource],
          scope: 'chat',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 3600,
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    // Given, so that it does not warn of the ones it makes up.
    cookies: { keys: [randomUUID()] },
  }).callback();
}

const server = createServer((request, response) => answer(request, response));
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;

let keys = [await newKey()];
let answer = provider(issuer, keys);
process.on('SIGUSR2', async () => {
  keys = [await newKey(), keys[0]];
  answer = provider(issuer, keys);
  console.log('rotated');
});
console.log(issuer);
