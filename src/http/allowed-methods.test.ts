import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AllowedMethods } from './control-plane.ts';

test('a path allows the methods of every matching route', () => {
  const verbs = new AllowedMethods();
  verbs.add('/', 'GET');
  verbs.add('/groups', ['GET', 'HEAD']);
  verbs.add('/groups', 'POST');
  verbs.add('/groups/:group', 'DELETE');
  verbs.add('/groups/:group/versions', 'GET');
  verbs.add('/docs/*', 'GET');
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
