// An OpenID provider on the port of the first argument. Client 7 with the secret
// "secret" gets a token whose role stands where each of the providers in
// docs/identity.md puts it.
import { generateKeyPairSync } from 'node:crypto'
import Provider from 'oidc-provider'

const port = Number(process.argv[2])
const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const provider = new Provider(`http://localhost:${port}`, {
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' }] },
  clients: [{
    client_id: '7', client_secret: 'secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
  }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'https://rides.example',
      getResourceServerInfo: () => ({ scope: '', audience: 'rides', accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
    },
  },
  extraTokenClaims: () => ({
    role: 'driver',
    app_metadata: { role: 'driver' },
    'https://your.app/roles': ['driver'],
    realm_access: { roles: ['offline_access', 'driver'] },
  }),
})
provider.listen(port, '127.0.0.1', () => console.log('listening'))
