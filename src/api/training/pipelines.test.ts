import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileFor } from './pipelines.ts';

const url = 'https://hooks.example/services/T0/B0/s3cret';
const fileOf = (notify: string): string => `name: loop\nnotify: [${notify}]\n`;
const shownTo = (role: 'viewer' | 'invoker' | 'deployer', notify: string): string =>
  fileFor({ role }, { file: fileOf(notify), spec: { notify: [url] } });

test('callers who may not change a pipeline see its webhooks without their keys, however YAML writes them', () => {
  assert.equal(shownTo('deployer', url), fileOf(url));
  const written = [url.replaceAll('/', '\\/'), url.replace('T0', '\\\n  T0'), url.replace('http', '\\u0068ttp')];
  for (const role of ['viewer', 'invoker'] as const) {
    assert.match(shownTo(role, url), /notify: \[https:\/\/hooks\.example\/services\/…\n/);
    for (const notify of written) assert(!shownTo(role, `"${notify}"`).includes('s3cret'), notify);
  }
});
