/** Capture, drift detection and labels of an endpoint. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import type {
  AlarmBody,
  BaselineBody,
  DriftBody,
  EndpointBody,
  LabelsBody,
  PageBody,
  SeriesBody,
  VersionBody,
} from '../../src/api/index.ts';
import { captured } from './captured.ts';
import { until } from './poll.ts';
import { penstock, plainEnvironment, type Refusal, Server, temporaryDirectory } from './server.ts';

const run = promisify(execFile);
const [header = '', ...lines] = readFileSync(join(import.meta.dirname, '../../assets/catalogue/digits_test.csv'), 'utf8')
  .trim()
  .split('\n');
const labelAt = header.split(',').indexOf('label');
const rows = lines.map((line) => line.split(',').map(Number));
const pixels = rows.map((row) => row.filter((_, i) => i !== labelAt));
const labels = rows.map((row) => row[labelAt] as number);
/** Indexes of pixels that are not always black. */
const shifted = [20, 28, 36];

describe('an endpoint whose calls are captured', { timeout: 170_000 }, () => {
  const dataDir = temporaryDirectory();
  let server: Server;
  before(async () => {
    server = await Server.start({ dataDir });
    await cli('deploy', 'catalogue:digits-mlp', 'digits', '--approve', '--capture', '100%');
  });
  after(() => server?.end());

  const cli = (...args: string[]) => run(penstock, args, { env: { ...plainEnvironment(), PENSTOCK_URL: server.url } });
  const drift = () => server.callWell<DriftBody>('GET', '/endpoints/digits/drift');
  const post = (body: object) => fetch(`${server.url}/v2/models/digits/infer`, { method: 'POST', body: JSON.stringify(body) });
  const send = async (data: readonly number[], id?: string): Promise<void> => {
    const answer = await post({
      ...(id === undefined ? {} : { id }),
      inputs: [{ name: 'pixels', shape: [1, 64], datatype: 'FP32', data }],
    });
    assert.equal(answer.status, 200, await answer.text());
  };

  test('shows its capture settings', async () => {
    const { capture } = await server.endpoint('digits');
    assert.deepEqual(capture, { percent: 100, inputs: true, outputs: true, to: 's3://penstock-capture', redact: [] });
  });

  test('stores one line per call, of every API, in hourly files, without duplicates', async () => {
    for (const [i, row] of pixels.slice(0, 40).entries()) await send(row, `first-${i}`);
    const csv = pixels.slice(0, 3).map((row) => row.join(','));
    const posted = await fetch(`${server.url}/api/v1/endpoints/digits/invoke`, {
      method: 'POST',
      headers: { 'content-type': 'text/csv', 'x-penstock-inference-id': 'native-1' },
      body: `${csv.join('\n')}\n`,
    });
    assert.equal(posted.status, 200);
    const answer = await posted.text();
    assert.equal((await post({ inputs: [] })).status, 400); // failed requests are not captured
    const found = await until('all calls are in files', async () => {
      const all = await captured(server, 'penstock-capture');
      return all.length >= 41 && all;
    });
    assert.equal(found.length, 41);
    for (const { key } of found) assert.match(key, /^digits\/AllTraffic\/\d{4}\/\d\d\/\d\d\/\d\d\/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl$/);
    const native = found.find(({ line }) => line.eventMetadata.inferenceId === 'native-1')?.line;
    assert.deepEqual(native?.captureData, {
      endpointInput: { observedContentType: 'text/csv', mode: 'INPUT', data: `${csv.join('\n')}\n`, encoding: 'CSV' },
      endpointOutput: { observedContentType: 'application/json', mode: 'OUTPUT', data: answer, encoding: 'JSON' },
    });
    assert.equal(native?.eventVersion, '0');
    assert.match(native?.eventMetadata.inferenceTime ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const ids = new Set(found.map(({ line }) => line.eventMetadata.inferenceId));
    assert.equal(ids.size, 41);
    const oip = found.find(({ line }) => line.eventMetadata.inferenceId === 'first-7')?.line.captureData;
    assert.deepEqual(JSON.parse(oip?.endpointInput?.data ?? '').inputs[0].data, pixels[7]);
    assert.equal(JSON.parse(oip?.endpointOutput?.data ?? '').id, 'first-7');
  });

  test('accepts a baseline of posted rows or of captured calls', async () => {
    assert.match((await cli('drift', 'digits')).stdout, /there is no baseline: post one, or run `penstock baseline digits`\n/);
    const labelled = await fetch(`${server.url}/api/v1/endpoints/digits/invoke?label=label`, {
      method: 'POST',
      headers: { 'content-type': 'text/csv' },
      body: [header, ...lines.slice(0, 5)].join('\n'),
    });
    assert.equal(labelled.status, 200);
    const since = new Date(Date.now() - 3_600_000).toISOString();
    const { stdout } = await cli('baseline', 'digits', '--from', since);
    assert.match(stdout, /^digits: the baseline is 48 rows of 65 features \(captured calls from /);
    const { rows: count, features } = await server.callWell<BaselineBody>('POST', '/endpoints/digits/baseline', { from: since });
    assert.deepEqual([count, features.includes('output:prediction')], [48, true]);
    const file = join(dataDir, 'rows.csv');
    writeFileSync(file, [header, ...lines.slice(100)].join('\n'));
    const posted = await cli('baseline', 'digits', '--file', file, '--label', 'label', '--output', 'json');
    assert.equal((JSON.parse(posted.stdout) as BaselineBody).rows, lines.length - 100);
  });

  test('uses the sample rows of a catalogue model as the baseline; other models have none', async () => {
    await server.deploy('plain', 'diabetes_rf');
    const refused = await server.call<Refusal>('POST', '/endpoints/plain/baseline', { sample: 'registration' });
    assert.deepEqual([refused.status, refused.body.code], [404, 'not_found']);
    const { version } = await server.callWell<{ version: VersionBody }>('POST', '/catalogue/iris-rf/register', {});
    await server.approve(version);
    await server.callWell('POST', '/endpoints', { name: 'sampled', variants: [{ model: version.name }] });
    await server.inService('sampled');
    const { stdout } = await cli('baseline', 'sampled', '--sample');
    assert.match(stdout, /^sampled: the baseline is \d+ rows of 4 features \(the sample that iris-rf\/1 was registered with\)/);
    for (const name of ['plain', 'sampled']) await server.callWell('DELETE', `/endpoints/${name}`);
  });

  test('warns about an unknown name to redact, and rejects a missing bucket', async () => {
    const { notes, capture } = await server.callWell<EndpointBody>('GET', '/endpoints/digits');
    const redacting = { capture: { ...capture, redact: ['pixels[3]', 'agee'] } };
    const changed = await server.callWell<EndpointBody>('PATCH', '/endpoints/digits', redacting);
    assert.match(changed.notes.join(), /no input or output 'agee'/);
    const back = await server.callWell<EndpointBody>('PATCH', '/endpoints/digits', { capture });
    assert.deepEqual(back.notes, notes);
    const nowhere = await server.call<Refusal>('PATCH', '/endpoints/digits', { capture: { to: 's3://nowhere/x' } });
    assert.deepEqual([nowhere.status, nowhere.body.code], [400, 'invalid_request']);
    assert.match(nowhere.body.error, /bucket 'nowhere' does not exist/);
  });

  test('reports no drift for rows like those of the baseline', async () => {
    for (const [i, row] of pixels.slice(100, 350).entries()) await send(row, `same-${i}`);
    const { drifted, rows_sampled, reason, features } = await drift();
    assert.deepEqual([drifted, reason], [0, null], JSON.stringify(features.slice(0, 3)));
    assert(rows_sampled >= 250, String(rows_sampled));
  });

  test('joins labels to predictions, and reports their accuracy', async () => {
    const file = join(dataDir, 'labels.jsonl');
    writeFileSync(
      file,
      labels
        .slice(100, 350)
        .map((label, i) => JSON.stringify({ inference_id: `same-${i}`, label }))
        .join('\n'),
    );
    const { stdout } = await cli('labels', 'digits', '--file', file);
    assert.match(stdout, /^250 labels accepted; see `penstock drift digits`\n/);
    const { quality } = await drift();
    assert.equal(quality.labelled_rows, 250);
    assert((quality.accuracy ?? 0) > 0.9, String(quality.accuracy));
    const series = await server.callWell<SeriesBody>('GET', '/metrics/series?name=Accuracy&endpoint=digits&statistics=SampleCount');
    assert.equal(
      series.points.reduce((sum, { values }) => sum + (values[0] ?? 0), 0),
      250,
    );
    const { body } = await server.call<LabelsBody>('POST', '/endpoints/digits/labels', { inference_id: 'missing', label: 1 });
    assert.deepEqual([body.matched, body.unknown, body.unknown_ids], [0, 1, ['missing']]);
  });

  test('reports drift of the shifted features, with an event and an alarm', async () => {
    const worse = pixels.map((row) => row.map((value, i) => (shifted.includes(i) ? value + 40 : value)));
    for (const row of [...worse, ...worse]) await send(row);
    const found = await drift();
    const names = found.features.filter(({ drifted, name }) => drifted && !name.startsWith('output:')).map(({ name }) => name);
    assert.deepEqual(
      names.sort(),
      shifted.map((i) => `pixels[${i}]`),
    );
    const { stdout } = await cli('drift', 'digits', '--limit', '3');
    assert.match(stdout, /FEATURE +DRIFTED +PSI +P-VALUE/);
    const ringing = await until(
      'the alarm is in ALARM',
      async () =>
        (await server.callWell<PageBody<AlarmBody>>('GET', '/alarms?state=ALARM')).items.find(
          ({ name }) => name === 'penstock/digits/drift',
        ),
      70_000,
    );
    assert.match(ringing.reason, /features drifted in the last 60 minutes/);
    const events = await fetch(`${server.url}/api/v1/events?since=0`, { signal: AbortSignal.timeout(10_000) });
    let text = '';
    for await (const chunk of events.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString();
      if (text.includes('"endpoint.drifted"')) break;
    }
  });

  test('stores no redacted values', async () => {
    await cli('deploy', 'digits/1', 'digits', '--redact', 'pixels[3]');
    const body = `${(pixels[5] as number[]).map((value, i) => (i === 3 ? 777 : value)).join(',')}\n`;
    const headers = { 'content-type': 'text/csv', 'x-penstock-inference-id': 'redacted-1' };
    assert.equal((await fetch(`${server.url}/api/v1/endpoints/digits/invoke`, { method: 'POST', headers, body })).status, 200);
    const found = await until('the call is in a file', async () =>
      (await captured(server, 'penstock-capture')).find(({ line }) => line.eventMetadata.inferenceId === 'redacted-1'),
    );
    assert.equal(found.line.captureData.endpointInput?.data, body.replace('777', '[redacted]'));
  });

  test('stops capturing on request, without restarting the worker', async () => {
    const before = await server.inService('digits');
    await cli('deploy', 'digits/1', 'digits', '--capture', 'none');
    const now = await server.inService('digits');
    assert.deepEqual(
      [now.capture, now.variants[0]?.workers.map(({ pid }) => pid)],
      [null, before.variants[0]?.workers.map(({ pid }) => pid)],
    );
  });

  test('has its baseline and captured calls after the server was killed', async () => {
    const count = (await captured(server, 'penstock-capture')).length;
    server.signal('SIGKILL');
    await server.ended;
    await server.end();
    server = await Server.start({ dataDir });
    await server.inService('digits');
    const { baseline, quality, rows_seen } = await drift();
    assert.deepEqual([baseline?.rows, quality.labelled_rows, rows_seen], [lines.length - 100, 250, 0]);
    assert((await captured(server, 'penstock-capture')).length >= count);
    await send(pixels[0] as number[]);
    assert.equal((await drift()).rows_seen, 1); // a baseline is sufficient for drift detection
  });

  test('stores a large body unchanged', async () => {
    await cli('deploy', 'catalogue:digits-mlp', 'sheets', '--approve', '--capture', '100%');
    const data = Array.from({ length: 32 }, (_, i) => pixels[i] ?? []).flat();
    const body = JSON.stringify({
      id: 'large',
      inputs: [{ name: 'pixels', shape: [32, 64], datatype: 'FP32', data: data.map((value) => value + 1 / 3) }],
    });
    const padded = body.padEnd(300_000);
    const answer = await fetch(`${server.url}/v2/models/sheets/infer`, { method: 'POST', body: padded });
    assert.equal(answer.status, 200);
    const found = await until('the call is in a file', async () =>
      (await captured(server, 'penstock-capture')).find(({ line }) => line.eventMetadata.inferenceId === 'large'),
    );
    assert.equal(found.line.captureData.endpointInput?.data, padded);
  });

  test('deletes its baseline, labels and alarm with the endpoint', async () => {
    await server.callWell('DELETE', '/endpoints/digits');
    await until('the endpoint is deleted', async () => (await server.call('GET', '/endpoints/digits')).status === 404);
    await cli('deploy', 'digits/1', 'digits');
    const { baseline, quality, rows_seen } = await drift();
    assert.deepEqual([baseline, quality.calls, rows_seen], [null, 0, 0]);
    const ringing = async () => (await server.callWell<PageBody<AlarmBody>>('GET', '/alarms?state=ALARM')).items;
    await until('no drift alarm is in ALARM', async () => !(await ringing()).some(({ name }) => name.endsWith('/drift')), 70_000);
  });
});
