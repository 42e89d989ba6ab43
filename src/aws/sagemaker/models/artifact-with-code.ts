/**
 * Model data whose scripts are an archive of their own, as the SageMaker SDK uploads them: the two become one archive, with the scripts in
 * `code/`. Every error is a `ValidationException` that names the archive.
 */
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { messageOf } from '../../../errors.ts';
import { checkPath } from '../../../registry/index.ts';
import { readTar, type TarFile, tarOf } from '../../../tar/index.ts';
import { AwsError } from '../../service.ts';
import { type Artifact, type ArtifactOptions, openBundle, unusableModelData } from './artifact.ts';
import type { ModelLocation } from './model-data.ts';

const scriptsMax = 10_000;

/** Both archives are read once, as the result is. Throws `ValidationException` if one is missing; `source` throws it if one is damaged. */
export async function openModelWithCode(options: ArtifactOptions, model: ModelLocation, code: ModelLocation): Promise<Artifact> {
  const scripts = await openBundle(options, code);
  try {
    const files = await openBundle(options, model);
    const close = (): void => {
      scripts.close();
      files.close();
    };
    const both = joined({ uri: code.uri, source: scripts.source }, { uri: model.uri, source: files.source });
    return { source: tarOf(both), sourceName: 'model.tar', close };
  } catch (error) {
    scripts.close();
    throw error;
  }
}

interface Archive {
  readonly uri: string;
  readonly source: AsyncIterable<Uint8Array>;
}

/** Nothing is left out unread, so the reader's limit of bytes bounds what is unpacked. */
async function* joined(code: Archive, model: Archive): AsyncGenerator<TarFile> {
  const scripts = new Set<string>();
  for await (const file of filesOf(code)) {
    const path = `code/${file.path}`;
    scripts.add(path);
    if (scripts.size > scriptsMax) throw unusableModelData(code.uri, `it has more than ${scriptsMax} files`);
    yield { ...file, path };
  }
  for await (const file of filesOf(model)) {
    if (scripts.has(file.path)) throw unusableModelData(model.uri, `${file.path} is in it and in ${code.uri}: remove one of them`);
    yield file;
  }
}

async function* filesOf({ uri, source }: Archive): AsyncGenerator<TarFile> {
  try {
    for await (const { kind, path, bytes, isExecutable, content } of readTar(unpacked(source))) {
      if (kind === 'directory') continue;
      if (kind !== 'file') throw unusableModelData(uri, `'${path.slice(0, 200)}' is a link: expected files and folders`);
      yield { path: checkPath(path), bytes, isExecutable, content };
    }
  } catch (error) {
    throw error instanceof AwsError ? error : unusableModelData(uri, `expected a .tar.gz archive (${messageOf(error)})`, error);
  }
}

async function* unpacked(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  pipeline(Readable.from(packed, { objectMode: false }), gunzip, () => undefined); // the loop below throws the same error
  yield* gunzip as AsyncIterable<Buffer>;
}
