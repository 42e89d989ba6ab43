import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PathCache, parseOipPath, restOperations } from './paths.ts';

for (const [path, kind, model, version] of [
  ['/v2', 'server'],
  ['/v2/health/live', 'live'],
  ['/v2/health/ready', 'server-ready'],
  ['/v2/models', 'models'],
  ['/v2/models/stats', 'all-statistics'],
  ['/v2/models/m', 'model', 'm'],
  ['/v2/models/m/versions/2', 'model', 'm', '2'],
  ['/v2/models/m/ready', 'model-ready', 'm'],
  ['/v2/models/stats/versions/1/stats', 'statistics', 'stats', '1'],
  ['/v2/models/versions/versions/1/infer', 'infer', 'versions', '1'],
  ['/v2/models/digits%2Dmlp/infer', 'infer', 'digits-mlp'],
  ['/v2/models/a%2Fb/infer', 'infer', 'a/b'],
  ['/v2/models/%zz', 'model', '%zz'],
  ['/v2/models/m/generate', 'generate', 'm'],
  ['/v2/models/m/versions/3/generate_stream', 'generate-stream', 'm', '3'],
  ['/v2/models/m/trace/setting', 'unserved', 'm'],
  ['/v2/systemsharedmemory/region/r/register', 'unserved'],
  ['/v2/repository/index', 'index'],
  ['/v2/repository/main/index', 'index', 'index'],
  ['/v2/repository/models/m/load', 'load', 'm'],
  ['/v2/repository/models/m/unload', 'unload', 'm'],
  ['/v2/repository/models/m/toString', 'unknown'],
  ['/v2/models/m/constructor', 'unknown'],
  ['/v2/models/m/infer/x', 'unknown'],
  ['/v1/models', 'models'],
  ['/v1/models/m', 'model-ready', 'm'],
  ['/v1/models/digits%2Dmlp:predict', 'predict', 'digits-mlp'],
  ['/v1/models/m:explain', 'unserved', 'm'],
  ['/v1/models/m:other', 'unknown'],
  ['/v1/models/m/infer', 'unknown'],
  ['/v1', 'unknown'],
  ['/v2/models//infer', 'unknown'],
  ['/v2/nothing', 'unknown'],
] as const) {
  test(`${path} is ${kind}`, () => {
    const position = parseOipPath(path);
    assert.equal(position.kind, kind);
    if (kind !== 'unknown' && kind !== 'index') assert.deepEqual([position.model, position.version], [model ?? '', version]);
  });
}

for (const [kind, { path }] of Object.entries(restOperations)) {
  test(`the path of ${kind} in the table is parsed as ${kind}`, () => assert.equal(parseOipPath(path.replace('{m}', 'm')).kind, kind));
}

test('caches parsed paths and bounds the cache', () => {
  const cache = new PathCache();
  assert.equal(cache.at('/v2/models/m/infer'), cache.at('/v2/models/m/infer'));
  for (let i = 0; i < 10_000; i++) cache.at(`/v2/models/m${i}/infer`);
  assert.equal(cache.at('/v2/models/m/infer').model, 'm');
});
