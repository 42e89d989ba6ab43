/** Models with data files: from an archive to a manifest, and back to nothing. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { tarGz } from '../../../test/aws-registry-fixture.ts';
import { type ControlPlane, type ControlPlaneOptions, openControlPlane, plainInspection } from '../../../test/control-plane.ts';
import { tarWith } from '../../../test/models/external.ts';
import { zipOf } from '../../../test/models/zip.ts';
import { startPostgres, whyNoPostgres } from '../../../test/postgres-server.ts';
import { PlatformError } from '../../errors.ts';
import { openDatabase } from '../../storage/index.ts';
import { manifestOf } from './manifest.ts';

const open: ControlPlane[] = [];
afterEach(async () => {
  for (const plane of open.splice(0)) await plane.close();
});

const graph = Buffer.from('a graph');
const weights = Buffer.from('its weights');
const bias = Buffer.from('its bias');
const dataFiles = ['m.data', 'deep/b'];

/** A plane whose worker finds that the model names `m.data` and `deep/b`. */
async function controlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const inspect: ControlPlaneOptions['inspect'] = async ({ data = [] }) => {
    const missing = dataFiles.find((name) => !data.some((file) => file.name === name));
    if (missing !== undefined) throw new PlatformError('invalid_request', `${missing} is missing`);
    return plainInspection({ dataFiles });
  };
  const plane = await openControlPlane({ inspect, ...options });
  open.push(plane);
  return plane;
}

async function register({ registry }: ControlPlane, source: Uint8Array, more: { reuse?: boolean } = {}) {
  return registry.register({ group: 'g', source, sourceName: 'm.onnx', who: 'me', ...more });
}

function files(folder = ''): Record<string, Buffer> {
  return { [`${folder}m.onnx`]: graph, [`${folder}m.data`]: weights, [`${folder}deep/b`]: bias };
}

async function objectsOf(plane: ControlPlane): Promise<string[]> {
  const entries = await readdir(join(plane.directory, 'objects'), { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

describe('a model with data files', () => {
  test('has one address, that of its manifest, which lists each file with its sha256 and size', async () => {
    const plane = await controlPlane();
    const { version } = await register(plane, await tarWith(files()));
    const { artifact } = version;
    assert.deepEqual(
      artifact.files?.map(({ path, bytes }) => [path, bytes]),
      [
        ['model.onnx', graph.length],
        ['deep/b', bias.length],
        ['m.data', weights.length],
      ],
    );
    assert.equal(artifact.bytes, graph.length + weights.length + bias.length);
    assert.equal(version.sourceSha256, artifact.sha256);
    assert.deepEqual(await readFile(plane.objects.localPath(artifact.sha256)), manifestOf(artifact.files ?? []));
    const stored = await plane.registry.verifiedModelFiles(version);
    assert.deepEqual(await readFile(stored.path), graph);
    assert.deepEqual(await Promise.all((stored.data ?? []).map(async ({ name, path }) => [name, await readFile(path, 'utf8')])), [
      ['deep/b', 'its bias'],
      ['m.data', 'its weights'],
    ]);
    assert.deepEqual(await plane.registry.versions('g'), [version]);
  });

  test('is the same model as a tar, a tar.gz, a zip, in a folder, and whatever its file is called', async () => {
    const plane = await controlPlane();
    const tar = await tarWith(files());
    const { version } = await register(plane, tar);
    const zip = zipOf(Object.entries(files()).map(([path, bytes]) => ({ path, bytes })));
    const renamed = await tarWith({ 'deep/b': bias, 'other.onnx': graph, 'm.data': weights });
    for (const same of [gzipSync(tar), zip, await tarWith(files('folder/')), await tarWith(files('./')), renamed]) {
      const again = await register(plane, same, { reuse: true });
      assert.deepEqual([again.reused, again.version.name], [true, version.name]);
    }
    assert.equal((await objectsOf(plane)).length, 4, 'the model, two data files and the manifest');
    const preview = await plane.registry.preview(zip, 'm.zip');
    assert.deepEqual(await plane.registry.versionsOfSource(preview.source.sha256), ['g/1']);
  });

  test('is stored without the files of the archive that it does not name, and a note says so', async () => {
    const plane = await controlPlane();
    const archive = await tarWith({ 'readme.md': bias, ...files('onnx/'), 'onnx/config.json': weights, '__MACOSX/._m.onnx': bias });
    const { version } = await register(plane, archive);
    assert.deepEqual(version.notes, ['not stored, because the model does not name them: config.json, readme.md']);
    assert.equal(version.artifact.files?.length, 3);
    assert.equal((await objectsOf(plane)).length, 4);
  });

  test('keeps its files while a version has them, and leaves none after the last one', async () => {
    const plane = await controlPlane();
    await register(plane, await tarWith(files()));
    await register(plane, await tarWith({ ...files(), 'm.onnx': Buffer.from('another graph') }));
    await plane.registry.deleteVersion('g', 1, 'me');
    const { version } = { version: await plane.registry.version('g', 2) };
    const { path, data = [] } = await plane.registry.verifiedModelFiles(version);
    for (const file of [path, ...data.map((each) => each.path)]) await readFile(file);
    assert.equal((await objectsOf(plane)).length, 4);
    await plane.registry.deleteVersion('g', 2, 'me');
    assert.deepEqual(await objectsOf(plane), []);
  });

  test('is stored, reused and deleted in PostgreSQL as in SQLite', { skip: whyNoPostgres() }, async () => {
    const postgres = await startPostgres(await mkdtemp(join(tmpdir(), 'penstock-postgres-')));
    const database = await openDatabase({ url: await postgres.createDatabase('models') });
    try {
      const plane = await openControlPlane({ inspect: async () => plainInspection({ dataFiles }), database });
      const { version } = await register(plane, await tarWith(files()));
      assert.deepEqual(
        version.artifact.files?.map(({ path, bytes }) => [path, bytes]),
        [
          ['model.onnx', graph.length],
          ['deep/b', bias.length],
          ['m.data', weights.length],
        ],
      );
      assert.equal((await register(plane, await tarWith(files('a/')), { reuse: true })).version.name, 'g/1');
      await plane.registry.deleteVersion('g', 1, 'me');
      assert.deepEqual(await objectsOf(plane), []);
      await plane.close();
    } finally {
      await postgres.stop();
    }
  });

  test('is known to the sweep, file by file', async () => {
    const plane = await controlPlane();
    await register(plane, await tarWith(files()));
    const trashed: string[] = [];
    const { sha256: stranger } = await plane.objects.put(Buffer.from('of no version'));
    await plane.registry.open({
      nowMs: () => 1,
      onTrashed: (sha256s) => trashed.push(...sha256s),
      onRestored: () => undefined,
      onFailure: (error) => assert.fail(String(error)),
    });
    assert.deepEqual(trashed, [stranger]);
  });

  test('is not found damaged if all files are intact; otherwise the file is named', async () => {
    const damaged = new Set<string>();
    const checkArtifact = async (path: string): Promise<void> => {
      if (damaged.has(path)) throw new PlatformError('unavailable', `${path} is damaged`);
    };
    const plane = await controlPlane({ checkArtifact });
    const { version } = await register(plane, await tarWith(files()));
    const found = await plane.registry.verifiedModelFiles(version);
    assert.deepEqual(found, await plane.registry.verifiedModelFiles(version));
    const bad = found.data?.[1]?.path ?? '';
    damaged.add(bad);
    await assert.rejects(plane.registry.verifiedModelFiles(version), { code: 'unavailable', message: `${bad} is damaged` });
    await assert.rejects(plane.registry.verifiedArtifactPath(version, 'm.data'), { code: 'unavailable' });
    assert.equal(await plane.registry.verifiedArtifactPath(version), found.path);
    await assert.rejects(plane.registry.verifiedArtifactPath(version, 'other'), { code: 'not_found', message: /g\/1 has no file 'other'/ });
  });

  test('keeps its data files if it had to be rewritten', async () => {
    const plane = await controlPlane({
      inspect: async (_model, rewriteTo) => {
        await writeFile(rewriteTo, 'rewritten');
        return plainInspection({ dataFiles, rewritten: true });
      },
    });
    const { version } = await register(plane, await tarWith(files()));
    assert.notEqual(version.artifact.sha256, version.sourceSha256);
    assert.equal(await readFile((await plane.registry.verifiedModelFiles(version)).path, 'utf8'), 'rewritten');
    assert.equal(version.artifact.files?.length, 3);
    assert.equal((await objectsOf(plane)).length, 4, 'without the model as it was uploaded');
  });
});

describe('an archive with only a model', () => {
  test('is registered as the file itself', async () => {
    const plane = await controlPlane({ inspect: async () => plainInspection() });
    const single = await register(plane, graph);
    const packed = await register(plane, tarGz([{ path: 'a/m.onnx', text: graph.toString() }]), { reuse: true });
    assert.equal(packed.reused, true);
    assert.equal(packed.version.name, single.version.name);
    assert.equal('files' in packed.version.artifact, false);
  });
});

describe('rejects and stores nothing of an archive that', () => {
  const item = (path: string, more: object = {}) => ({ path, bytes: weights, ...more });
  for (const [what, archive, message] of [
    ['has no model', zipOf([item('data.pkl')]), /exactly one \.onnx file at any depth, or a Python model, got neither/],
    ['has two models', zipOf([item('a.onnx'), item('b/c.onnx')]), /exactly one \.onnx file, got 2: a\.onnx, b\/c\.onnx/],
    ['leads out of its folder', zipOf([item('m.onnx'), item('../m.data')]), /'\.\.\/m\.data' in the archive points outside/],
    ['has an absolute path', zipOf([item('m.onnx'), item('/etc/m.data')]), /'\/etc\/m\.data' in the archive is an absolute path/],
    ['has a link', zipOf([item('m.onnx'), item('m.data', { mode: 0o120777 })]), /'m\.data' in the archive is a link/],
    ['has a file twice', zipOf([item('m.onnx'), item('m.data'), item('./m.data')]), /'m\.data' is in the archive twice/],
    [
      'has a file as a folder',
      zipOf([item('m.onnx'), item('m.data'), item('m.data/x')]),
      /'m\.data' in the archive is both a file and a folder/,
    ],
    ['is larger than the limit', zipOf([item('m.onnx'), item('m.data', { bytes: Buffer.alloc(2_000_000) })]), /at most 1000000 bytes/],
    [
      'is larger than the limit before it is unpacked',
      zipOf([item('m.onnx', { method: 0, bytes: Buffer.alloc(2_000_000) })]),
      /the archive is too large/,
    ],
    ['is a tar larger than the limit', tarGz([{ path: 'm.onnx', text: 'x'.repeat(2_000_000) }]), /at most 1000000 bytes/],
    ['lacks a data file', zipOf([item('m.onnx'), item('deep/b')]), /m\.data is missing/],
  ] as const) {
    test(what, async () => {
      const plane = await controlPlane({ modelBytesMax: 1_000_000 });
      await assert.rejects(register(plane, archive), (error) => error instanceof PlatformError && message.test(error.message));
      assert.deepEqual(await objectsOf(plane), []);
      assert.deepEqual(await plane.registry.groups(), []);
    });
  }
});
