import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { readS3Manifest } from './s3-manifest.ts';

describe('a manifest', () => {
  test('is read as JSON would be, however it is written', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string(),
        fc.array(fc.string({ unit: 'grapheme' })),
        fc.constantFrom(0, 2, '\t'),
        async (folder, names, space) => {
          const prefix = `s3://b/${folder.replaceAll(/[{}]/g, '')}`;
          assert.deepEqual(await readS3Manifest(JSON.stringify([{ prefix }, ...names], null, space), 100), { prefix, names });
        },
      ),
    );
  });

  for (const text of [
    '',
    '{',
    '[]',
    '["a"]',
    '[{"prefix": 1}, "a"]',
    '[{"prefix": "s3://b/"}, 1]',
    '[{"prefix": "s3://b/"}, "a"',
    '[{"prefix": "s3://b/"}, "a",]',
    '[{"prefix": "s3://b/"} "a"]',
    '[{"prefix": "s3://b/"}, "\\x"]',
    '[{"prefix": "s3://b/"}, ["a"]]',
    '[{"prefix": "s3://b/"}]]',
    `[{"prefix": "s3://b/"}, "${'a'.repeat(6145)}"]`,
    `[${'[],'.repeat(500_000)}[]]`,
  ]) {
    test(`that is ${JSON.stringify(text.slice(0, 40))} is rejected`, async () => {
      await assert.rejects(readS3Manifest(text, 100), { code: 'invalid_request', message: /^is malformed: expected \[\{"prefix"/ });
    });
  }

  test('holds the event loop no longer than a slice, and has a largest number of names', async () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `rows-${index}.csv`);
    const text = JSON.stringify([{ prefix: 's3://b/' }, ...names]);
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    const { names: read } = await readS3Manifest(text, names.length);
    clearInterval(counting);
    assert.deepEqual(read, names);
    assert(turns > 0, 'other work had its turn');
    await assert.rejects(readS3Manifest(text, names.length - 1), { code: 'too_large', message: 'has more than 19999 names' });
  });
});
