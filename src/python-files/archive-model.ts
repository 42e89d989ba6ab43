/** Model files that are zip archives, recognised by the names in them: skops, TorchScript, exported PyTorch programs, Keras. */
import { PlatformError } from '../errors.ts';
import type { PythonFlavour } from '../python-model.ts';
import { readZip, type ZipEntry } from '../zip/index.ts';
import type { RecognisedModel, RecognitionLimits } from './recognised-model.ts';
import { skopsModel } from './skops-model.ts';

const entriesMax = 100_000;
const schemaBytesMax = 64 * 2 ** 20;

/** Null if the archive is not a model itself; it may contain one. Throws for models that cannot be served. `name` is for messages. */
export async function recogniseArchive(path: string, name: string, limits: RecognitionLimits): Promise<RecognisedModel | null> {
  const names = new Set<string>();
  let schema: string | null = null;
  for await (const entry of readZip(path)) {
    if (names.size >= entriesMax) throw new PlatformError('too_large', `${name} has more than ${entriesMax} files`);
    if (names.has(entry.path)) throw new PlatformError('invalid_request', `${name} holds '${entry.path.slice(0, 200)}' twice`);
    names.add(entry.path);
    if (entry.path === 'schema.json') schema = await textOf(entry, Math.min(schemaBytesMax, limits.bytesMax));
  }
  const refused = refusalOf(names);
  if (refused !== null) throw new PlatformError('unsupported', `${name} ${refused}`);
  if (schema !== null) return skopsModel(schema, name);
  const flavour = flavourOf(names);
  return flavour === null ? null : { ...flavour, entry: '', imports: null, madeWith: {}, notes: [] };
}

/** PyTorch puts all files into one folder, named after the model. */
function flavourOf(names: ReadonlySet<string>): Pick<RecognisedModel, 'flavour' | 'form' | 'libraries'> | null {
  const has = (pattern: RegExp): boolean => [...names].some((name) => pattern.test(name));
  const is = (flavour: PythonFlavour, library: string) => ({ flavour, form: 'tensors', libraries: [library] }) as const;
  if (has(/^[^/]+\/code\/./) && has(/^[^/]+\/constants\.pkl$/)) return is('torchscript', 'torch');
  if (has(/^(?:[^/]+\/)?archive_format$/) && has(/^(?:[^/]+\/)?models\/[^/]+\.json$/)) return is('torch-export', 'torch');
  if (has(/^(?:[^/]+\/)?serialized_exported_program\.json$/)) return is('torch-export', 'torch');
  return names.has('config.json') && names.has('metadata.json') && has(/^model\.weights\.h5$/) ? is('keras', 'tensorflow') : null;
}

/** Why the archive is not a model that can be served; null if that is not certain. */
function refusalOf(names: ReadonlySet<string>): string | null {
  const all = [...names];
  if (names.has('MAR-INF/MANIFEST.json')) {
    return 'is a TorchServe archive (.mar), which is not supported: write a model.py with load() and predict() beside the model file, and register that folder';
  }
  const isTorch = all.some((name) => /^[^/]+\/data\.pkl$/.test(name)) && !all.some((name) => /^[^/]+\/constants\.pkl$/.test(name));
  if (isTorch) {
    return 'holds what torch.save() wrote: weights, or a module whose code is elsewhere. Put a model.py with load() and predict() beside it, or save it with torch.jit.save() or torch.export.save()';
  }
  if (all.length > 0 && all.every((name) => name.endsWith('.npy'))) return 'is a NumPy archive (.npz), not a model';
  return null;
}

async function textOf(entry: ZipEntry, bytesMax: number): Promise<string> {
  if (entry.bytes > bytesMax)
    throw new PlatformError('too_large', `its ${entry.path} has ${entry.bytes} bytes: expected at most ${bytesMax}`);
  const chunks: Buffer[] = [];
  for await (const chunk of entry.content) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
