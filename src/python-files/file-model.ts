/** One file: recognised by its first bytes, and by its name only where these say nothing. */
import { open } from 'node:fs/promises';
import { PlatformError } from '../errors.ts';
import { recogniseArchive } from './archive-model.ts';
import { ByteReader, packingOf } from './byte-reader.ts';
import { readSourceFile, recogniseCode } from './code-model.ts';
import { recogniseLightgbm } from './lightgbm-model.ts';
import { recognisePickle } from './pickle-model.ts';
import type { RecognisedModel, RecognitionLimits } from './recognised-model.ts';
import { recogniseXgboost } from './xgboost-model.ts';

const startBytes = 512;
const pickleNames = /\.(?:joblib|pkl|pickle|cpkl|cloudpickle)(?:\.(?:z|gz|bz2|xz|lzma|lz4))?$/i;
const oldPacking = /^ZF/;

interface ModelFile {
  readonly path: string;
  /** As uploaded; it need not be the name in `path`. */
  readonly name: string;
  readonly start: Buffer;
  readonly limits: RecognitionLimits;
}

type FileRecogniser = (file: ModelFile) => Promise<RecognisedModel | null>;

/** The first that knows the file decides; null passes it on. */
const recognisers: readonly FileRecogniser[] = [
  refuseWeights,
  refusePacked,
  archive,
  packedPickle,
  plainPickle,
  json,
  ubjson,
  xgboostBinary,
  lightgbm,
  catboost,
  source,
];

/** Null if the file is not a Python model. Throws `invalid_request`, `unsupported` or `too_large` if it is one that cannot be served. */
export async function recogniseFile(path: string, name: string, limits: RecognitionLimits): Promise<RecognisedModel | null> {
  const start = await startOf(path);
  for (const recognise of recognisers) {
    const found = await recognise({ path, name, start, limits });
    if (found !== null) return found;
  }
  return null;
}

async function startOf(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(startBytes), 0, startBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function archive({ path, name, start, limits }: ModelFile): Promise<RecognisedModel | null> {
  return start.toString('latin1', 0, 4) === 'PK\x03\x04' ? recogniseArchive(path, name, limits) : null;
}

/** Files that hold weights and no code to run them with. */
async function refuseWeights({ name, start }: ModelFile): Promise<null> {
  const kind = weightsKind(start);
  if (kind === null) return null;
  throw new PlatformError(
    'unsupported',
    `${name} is ${kind}: weights without a model. Put a model.py with load() and predict() beside it, and register the folder`,
  );
}

function weightsKind(start: Buffer): string | null {
  if (start.length >= 10 && start.readBigUInt64LE(0) < 100_000_000n && start.toString('latin1', 8, 10) === '{"')
    return 'a safetensors file';
  // torch.save() before PyTorch 1.6 began with this number, as a pickle of its own.
  return start.toString('hex', 0, 14) === '80028a0a6cfc9c46f9206aa85019' ? 'a PyTorch file in the format before 1.6' : null;
}

async function xgboostBinary({ start }: ModelFile): Promise<RecognisedModel | null> {
  if (start.toString('latin1', 0, 4) !== 'binf') return null;
  const notes = ['an XGBoost model in the old binary format, which XGBoost 3.1 and later do not open: save it as JSON'];
  return { flavour: 'xgboost', entry: '', form: 'tensors', imports: null, libraries: ['xgboost'], madeWith: {}, notes };
}

async function refusePacked({ name, start }: ModelFile): Promise<null> {
  const packing = otherPacking(start);
  if (packing === null || !pickleNames.test(name)) return null;
  throw new PlatformError(
    'unsupported',
    `${name} is compressed with ${packing}: expected zlib, gzip or no compression. Save it again with joblib.dump(model, path, compress=3)`,
  );
}

function otherPacking(start: Buffer): string | null {
  if (oldPacking.test(start.toString('latin1', 0, 2))) return 'a format of joblib before 0.10';
  if (start.toString('latin1', 0, 3) === 'BZh') return 'bzip2';
  if (start.toString('hex', 0, 6) === 'fd377a585a00') return 'xz';
  if (start[0] === 0x5d && start[1] === 0 && start[2] === 0) return 'lzma';
  return start.length >= 4 && start.readUInt32LE(0) === 0x184d2204 ? 'lz4' : null;
}

/** A gzip file can as well be an archive: what it holds decides. */
async function packedPickle({ path, name, start, limits }: ModelFile): Promise<RecognisedModel | null> {
  const packing = packingOf(start);
  if (packing === 'none') return null;
  const reader = ByteReader.ofFile(path, packing, limits.bytesMax);
  try {
    const hasStart = await reader.fill(2);
    if (!hasStart || !isPickleStart(reader.buffer.subarray(reader.at))) return null;
  } catch (error) {
    if (pickleNames.test(name) || !(error instanceof PlatformError)) throw error;
    return null; // Two bytes that look like zlib, in a file of another kind.
  } finally {
    await reader.close();
  }
  return recognisePickle(path, name, limits);
}

async function plainPickle({ path, name, start, limits }: ModelFile): Promise<RecognisedModel | null> {
  return isPickleStart(start) || pickleNames.test(name) ? recognisePickle(path, name, limits) : null;
}

/** Protocol 2 to 5. Files of protocols 0 and 1 are recognised by their name only. */
function isPickleStart(start: Buffer): boolean {
  return start[0] === 0x80 && (start[1] as number) >= 2 && (start[1] as number) <= 5;
}

async function json({ path, start, limits }: ModelFile): Promise<RecognisedModel | null> {
  return /^\s*\{\s*"(?:learner|version)"/.test(start.toString('latin1')) ? recogniseXgboost(path, 'json', limits) : null;
}

/** An object, the length of its first name, and this name. */
async function ubjson({ path, start, limits }: ModelFile): Promise<RecognisedModel | null> {
  return /^\{[iUIlL]\0*[\x07]?(?:learner|version)/.test(start.toString('latin1')) ? recogniseXgboost(path, 'ubjson', limits) : null;
}

/** Its features are known once it is open: the file is a FlatBuffer of CatBoost's own schema. */
async function catboost({ start }: ModelFile): Promise<RecognisedModel | null> {
  if (start.toString('latin1', 0, 4) !== 'CBM1') return null;
  return { flavour: 'catboost', entry: '', form: 'tensors', imports: null, libraries: ['catboost'], madeWith: {}, notes: [] };
}

async function lightgbm({ path, start, limits }: ModelFile): Promise<RecognisedModel | null> {
  return /^tree\r?\nversion=/.test(start.toString('latin1')) ? recogniseLightgbm(path, limits) : null;
}

async function source({ path, name }: ModelFile): Promise<RecognisedModel | null> {
  if (!name.endsWith('.py')) return null;
  const found = recogniseCode(await readSourceFile(path, name), name, '');
  if (found !== null) return found;
  throw new PlatformError(
    'invalid_request',
    `${name} has neither a function predict nor a class Model at its top level. Write \`def predict(x: "float32[n,30]")\``,
  );
}
