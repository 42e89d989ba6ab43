import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePipelineFile } from '../../training/pipelines/pipeline-file.ts';
import { fileFor } from './pipelines.ts';

const secret = 'T0/B0/s3cret';
const fileOf = (notify: string): string => `name: loop\ntrain: {command: [/bin/true]}\nnotify: [${notify}]\n`;
const shownTo = (role: 'viewer' | 'invoker' | 'deployer', notify: string): string => {
  const file = fileOf(notify);
  return fileFor({ role }, { file, spec: parsePipelineFile(file, 0) });
};

test('callers who may not change a pipeline see its webhooks without their keys, however YAML writes them', () => {
  const plain = `https://hooks.example/services/${secret}`;
  assert.equal(shownTo('deployer', plain), fileOf(plain));
  for (const role of ['viewer', 'invoker'] as const) {
    assert.equal(shownTo(role, plain), fileOf('https://hooks.example/services/…').replace('…]', '…'), role);
    for (const notify of [
      `"https:\\/\\/hooks.example/${secret}"`,
      `"https://hooks.example/\\\n  ${secret}"`,
      `"\\u0068ttps://hooks.example/${secret}"`,
    ])
      assert(!shownTo(role, notify).includes('s3cret'), notify);
  }
});
