import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LinkRetries } from './link-retries.ts';

/** A draw of 0 leaves nothing out of a wait. */
const longest = { next: () => 0 };

describe('a host whose links end', () => {
  test('waits twice as long after each, up to 5 s, and half of it at least', () => {
    for (const { draw, share } of [
      { draw: 0, share: 1 },
      { draw: 0.5, share: 0.75 },
      { draw: 0.999_999, share: 0.5 },
    ]) {
      const retries = new LinkRetries({ next: () => draw });
      const waits = Array.from({ length: 7 }, () => Math.round(retries.ended('rejected', 0, 0).waitMs / share));
      assert.deepEqual(waits, [200, 400, 800, 1600, 3200, 5000, 5000]);
    }
  });

  test('dials soon again after a link that served for a while', () => {
    const retries = new LinkRetries(longest);
    for (let each = 0; each < 10; each++) retries.ended('rejected', 0, 0);
    assert.equal(retries.ended('reset', 0, 9999).waitMs, 5000, 'it served for too short a time');
    assert.equal(retries.ended('reset', 0, 10_000).waitMs, 200);
    assert.equal(retries.ended('rejected', 0, 0).waitMs, 400);
  });

  test('logs a reason once a minute, with how often it occurred', () => {
    const retries = new LinkRetries(longest);
    const logged = (reason: string, atS: number): number | null => retries.ended(reason, atS * 1000, 0).logged;
    assert.deepEqual(
      [0, 5, 30, 59.9, 60, 61].map((atS) => logged('an older epoch', atS)),
      [1, null, null, null, 4, null],
    );
    assert.equal(logged('another reason', 62), 1);
    assert.equal(logged('an older epoch', 63), null, 'it was logged 3 s ago');
    assert.equal(logged('an older epoch', 200), 3);
    assert.equal(logged('another reason', 201), 1);
  });

  test('logs each loss of a link that served for a while', () => {
    const retries = new LinkRetries(longest);
    assert.deepEqual(
      [0, 11, 22].map((atS) => retries.ended('reset', atS * 1000, 10_000).logged),
      [1, 1, 1],
    );
  });
});
