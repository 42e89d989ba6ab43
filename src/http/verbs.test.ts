import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Verbs } from './verbs.ts';

test('a path takes the verbs of every route that it matches', () => {
  const verbs = new Verbs();
  verbs.learn('/', 'GET');
  verbs.learn('/groups', ['GET', 'HEAD']);
  verbs.learn('/groups', 'POST');
  verbs.learn('/groups/:group', 'DELETE');
  verbs.learn('/groups/:group/versions', 'GET');
  verbs.learn('/docs/*', 'GET');
  for (const [path, expected] of [
    ['/', ['GET']],
    ['/groups', ['GET', 'HEAD', 'POST']],
    ['/groups?limit=1', ['GET', 'HEAD', 'POST']],
    ['/groups/digits', ['DELETE']],
    ['/groups/digits/versions', ['GET']],
    ['/docs/static/page.js', ['GET']],
    ['/groups/', []],
    ['/groups/digits/other', []],
    ['/nothing', []],
  ] as const) {
    assert.deepEqual(verbs.at(path), expected, path);
  }
});
