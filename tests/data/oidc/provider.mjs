// A certified identity provider (npm: oidc-provider) with people of its own: whoever is typed signs in, with any password.
// Arguments: the folder in which it is installed, the port, and where it sends people back to.
import { pathToFileURL } from 'node:url';

const [, , folder, port, redirect] = process.argv;
const { default: Provider } = await import(pathToFileURL(`${folder}/node_modules/oidc-provider/lib/index.js`).href);

const people = {
  'hana-again': { email: 'hana@example.jp', email_verified: true },
  unverified: { email: 'taro@example.jp', email_verified: false },
};

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'hagaki', client_secret: 'a secret of both', redirect_uris: [redirect] }],
  claims: { email: ['email', 'email_verified'] },
  pkce: { required: () => true, methods: ['S256'] },
  cookies: { keys: ['only a test'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, ...(people[id] ?? { email: `${id}@example.jp`, email_verified: true }) }),
  }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
