/**
 * A serverless endpoint from its first request to none: what it would cost (a plan), the first function that starts, the
 * last one that ends, and the log of what was decided for it. `fetch` alone (Node 18 or later), and the native API.
 *
 * It brings its own model, as the endpoint and the group `serverless-example`, and removes both.
 * PENSTOCK_URL and PENSTOCK_KEY say which server; without them it is the one on this machine, which needs no key.
 */
const url = process.env.PENSTOCK_URL ?? 'http://127.0.0.1:8080';
const key = process.env.PENSTOCK_KEY;
const name = 'serverless-example';

/** The answer of the native API; undefined where there is none. Throws the server's sentence. */
async function call(method, path, body) {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key ? { authorization: `Bearer ${key}` } : {}),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  const answer = text === '' ? undefined : JSON.parse(text);
  if (!response.ok) throw new Error(`${method} ${path}: ${answer.error}`);
  return answer;
}

/** Asks until the answer is a yes. */
async function until(ask) {
  for (let tries = 0; tries < 400; tries++) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('waited 40 s in vain');
}

const functions = async () => {
  const [variant] = (await call('GET', `/endpoints/${name}`)).variants;
  const { starting, idle, busy } = variant.environments;
  return starting + idle + busy;
};
const decisions = async () => (await call('GET', `/endpoints/${name}/decisions`)).items;

console.log('-- what would it cost? 50 rows a second, each to be answered within 250 ms');
const { version } = await call('POST', '/catalogue/digits-mlp/register', { group: name });
const plan = await call('POST', '/plan', { model: version.name, objective: 'p95<=250ms', rate_per_second: 50 });
const cost = (label) => plan.alternatives.find((alternative) => alternative.label === label).predicted.cost_usd_per_million;
console.log(`kept: ${plan.feasible}, in batches: ${plan.chosen.batch_size_max > 1}`);
console.log(`less than half of the cost without batching: ${cost('chosen') < cost('no-batching') / 2}`);

console.log('-- deploy it without an instance: functions start as requests come, and end a second after the last');
await call('POST', `/groups/${name}/versions/${version.version}/approval`, { approval: 'Approved' });
await call('POST', '/endpoints', {
  name,
  objective: 'p95<=250ms',
  variants: [{ model: version.name, functions: { keep_alive_ms: 1000 } }],
});
await until(async () => (await decisions()).length > 0); // its first setting is chosen at once
console.log(`functions that run: ${await functions()}`);

console.log('-- the first request starts one');
const pixels = Array.from({ length: 64 }, (_, index) => (index % 8 === 3 || index % 8 === 4 ? 15 : 0)); // a bar: a one
const { predictions } = await call('POST', `/endpoints/${name}/invoke`, { instances: [pixels] });
console.log(`answered with ${Object.keys(predictions[0]).join(' and ')}`);
console.log(`functions that run: ${await functions()}`);

console.log('-- and when nobody comes, it ends');
await until(async () => (await functions()) === 0);
console.log(`functions that run: ${await functions()}`);

console.log('-- what was decided, and why');
await call('POST', `/endpoints/${name}/decisions`); // once more, now that somebody was there
await until(async () => (await decisions()).length > 1);
for (const { trigger, chosen, alternatives, effect } of (await decisions()).reverse()) {
  const labels = alternatives.map(({ label }) => label).filter((label) => ['chosen', 'current', 'no-batching'].includes(label));
  console.log(`${trigger}: at most ${chosen.batch_size_max} row, from ${labels.join(', ')}; measured: ${effect?.requests ?? 'not yet'}`);
}

await call('DELETE', `/endpoints/${name}`);
await until(async () => (await call('GET', '/endpoints')).items.every((endpoint) => endpoint.name !== name));
for (const left of (await call('GET', `/groups/${name}/versions`)).items) {
  await call('DELETE', `/groups/${name}/versions/${left.version}`);
}
await call('DELETE', `/groups/${name}`);
