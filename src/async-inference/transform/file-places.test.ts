import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { VirtualClock } from '../../clock.ts';
import { FileOutput } from './file-places.ts';

test('a directory of results is made with those above it, and one that cannot be made is refused at once', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'penstock-places-'));
  try {
    const path = join(folder, 'a/b/c');
    await new FileOutput(path, new VirtualClock()).check();
    await new FileOutput(path, new VirtualClock()).check();
    assert((await stat(path)).isDirectory());
    // Node's own recursive form never ends there.
    await assert.rejects(new FileOutput('/proc/penstock/results', new VirtualClock()).check(), { code: 'invalid_request' });
  } finally {
    await rm(folder, { recursive: true });
  }
});
