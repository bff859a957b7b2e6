// Runs the calls given as JSON, such as [["geocode","Vaduz"]], with
// node-geocoder against a base URL, and prints what each of them came to:
//
//     node geocode.js http://localhost:8080 '[["geocode","Vaduz"]]'
const NodeGeocoder = require('node-geocoder');

async function main([base, calls]) {
  const geocoder = NodeGeocoder({ provider: 'openstreetmap', osmServer: base });
  const results = [];
  for (const [method, argument] of JSON.parse(calls)) {
    try {
      results.push({ places: await geocoder[method](argument) });
    } catch (error) {
      results.push({ error: error.message });
    }
  }
  console.log(JSON.stringify(results));
}

main(process.argv.slice(2));
