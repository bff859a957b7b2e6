// Serves a Valhalla over HTTP, as Valhalla's own server does: its matrix, and which points are
// near no road.
// Usage: node serve.mjs CONFIG; prints the port it listens on.
import { createServer } from 'node:http';
import { Actor } from '@valhallajs/valhallajs';

const actor = await Actor.fromConfigFile(process.argv[2]);

const actions = { '/sources_to_targets': (q) => actor.matrix(q), '/locate': (q) => actor.locate(q) };

// The errors of the binding have lost their codes.
const codes = {
  'Locations are in unconnected regions': 170,
  'No suitable edges near location': 171,
  'No path could be found for input': 442,
};

const server = createServer(async (req, res) => {
  const answer = (status, body) => {
    res.writeHead(status, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify(body));
  };
  const act = actions[req.url.split('?')[0]];
  if (!act) return answer(404, { error_code: 106, error: `Try any of: ${Object.keys(actions)}` });
  let text = '';
  for await (const chunk of req) text += chunk;
  try {
    answer(200, await act(JSON.parse(text)));
  } catch (e) {
    const known = Object.keys(codes).find((text) => e.message.includes(text));
    answer(400, { error_code: codes[known] ?? 100, error: e.message, status_code: 400 });
  }
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
