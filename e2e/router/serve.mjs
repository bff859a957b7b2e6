// Serves the matrix of a Valhalla over HTTP, as Valhalla's own server does.
// Usage: node serve.mjs CONFIG; prints the port it listens on.
import { createServer } from 'node:http';
import { Actor } from '@valhallajs/valhallajs';

const actor = await Actor.fromConfigFile(process.argv[2]);

const server = createServer(async (req, res) => {
  const answer = (status, body) => {
    res.writeHead(status, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify(body));
  };
  if (req.url.split('?')[0] !== '/sources_to_targets') return answer(404, { error_code: 106, error: 'Try any of: /sources_to_targets' });
  let text = '';
  for await (const chunk of req) text += chunk;
  try {
    answer(200, await actor.matrix(JSON.parse(text)));
  } catch (e) {
    answer(e.httpCode ?? 400, { error_code: e.code ?? 100, error: String(e.message), status_code: e.httpCode ?? 400 });
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
