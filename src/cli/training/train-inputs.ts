/** The code and the data of `penstock train`: files of this machine, or objects of a bucket. */
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { CliError } from '../cli-error.ts';
import type { SentPart } from '../client/form-body.ts';
import { type ModelDirectory, packDirectory, readDirectory } from '../models/model-directory.ts';

/** Files of version control, Python and editors, which are not part of the code. */
const left = new Set([
  '.git',
  '.hg',
  '.svn',
  '__pycache__',
  '.ipynb_checkpoints',
  '.venv',
  'venv',
  '.mypy_cache',
  '.pytest_cache',
  '.DS_Store',
]);
/** Entry of a folder, if none is named. */
const usualEntry = 'train.py';

/** The code of a job, which is sent as one tar file. */
export interface TrainSource {
  readonly directory: ModelDirectory;
  readonly entry: string;
  /** The commit of the folder's Git repository; null without one. */
  readonly git: { readonly commit: string; readonly dirty: boolean } | null;
}

/** A script, or a folder with its entry. Throws `CliError` if there is none. */
export async function readTrainSource(path: string, entry: string | undefined): Promise<TrainSource> {
  const found = await stat(path).catch((cause: unknown) => {
    throw new CliError(`there is no file or folder ${path}: expected a script, or a folder with --entry SCRIPT`, 1, { cause });
  });
  if (found.isDirectory()) {
    const directory = await readDirectory(path, { of: 'the code', skips: left });
    const named = (entry ?? usualEntry).replace(/^\.\//, '');
    if (directory.files.some((file) => file.path === named)) return { directory, entry: named, git: await gitOf(path) };
    const scripts = directory.files.map((file) => file.path).filter((file) => file.endsWith('.py'));
    const some = scripts.length === 0 ? 'it has no .py file' : `it has ${scripts.slice(0, 5).join(', ')}`;
    throw new CliError(
      entry === undefined ? `${path} has no ${usualEntry}: name its script with --entry (${some})` : `${path} has no ${entry}: ${some}`,
      2,
    );
  }
  if (entry !== undefined) throw new CliError(`--entry is for a folder, and ${path} is a file: name the folder, or leave --entry out`, 2);
  const name = basename(path);
  const directory = { files: [{ path: name, at: path, bytes: found.size, isExecutable: false }], bytes: found.size };
  return { directory, entry: name, git: await gitOf(dirname(resolve(path))) };
}

/** A folder whose command is not one of its scripts. */
export async function readTrainFolder(path: string): Promise<TrainSource> {
  return { directory: await readDirectory(path, { of: 'the code', skips: left }), entry: '', git: await gitOf(path) };
}

export function sourcePart({ directory }: TrainSource): SentPart {
  return { name: 'source', fileName: 'source.tar', content: packDirectory(directory) };
}

async function gitOf(folder: string): Promise<TrainSource['git']> {
  const git = async (...words: string[]): Promise<string> =>
    (await promisify(execFile)('git', ['-C', folder, ...words], { timeout: 5000, maxBuffer: 2 ** 24 })).stdout.trim();
  try {
    const commit = await git('rev-parse', '--verify', 'HEAD');
    return /^[0-9a-f]{40,64}$/.test(commit) ? { commit, dirty: (await git('status', '--porcelain', '--', '.')) !== '' } : null;
  } catch {
    return null; // no repository, no commit yet, or no git on this machine
  }
}

/** The data of one channel. Files are sent with the job, objects are only named. */
export interface TrainData {
  readonly channel: string;
  /** `s3://bucket/prefix` or `captured:ENDPOINT`; null for files of this machine. */
  readonly source: string | null;
  readonly part: SentPart | null;
  readonly bytes: number;
}

/** `[CHANNEL=]PATH|s3://bucket/prefix|captured:ENDPOINT`; the channel is `train` if none is named. */
export async function readTrainData(text: string): Promise<TrainData> {
  const [, named, rest] = /^([\w.-]{1,64})=(.+)$/s.exec(text) ?? [];
  const [channel, place] = [named ?? 'train', rest ?? text];
  if (/^(?:s3:\/\/|captured:)/.test(place)) return { channel, source: place, part: null, bytes: 0 };
  const found = await stat(place).catch((cause: unknown) => {
    throw new CliError(`there is no file or folder ${place}: expected --data [CHANNEL=]PATH, s3://BUCKET/PREFIX or captured:ENDPOINT`, 1, {
      cause,
    });
  });
  const name = `data.${channel}`;
  if (found.isFile() && !place.endsWith('.tar')) {
    const content = createReadStream(place, { highWaterMark: 1024 * 1024 });
    return { channel, source: null, part: { name, fileName: basename(place), content }, bytes: found.size };
  }
  // A .tar file is sent within an archive; otherwise the server would treat it as an archive of the data.
  const directory: ModelDirectory = found.isDirectory()
    ? await readDirectory(place, { of: 'the data' })
    : { files: [{ path: basename(place), at: place, bytes: found.size, isExecutable: false }], bytes: found.size };
  return { channel, source: null, part: { name, fileName: 'data.tar', content: packDirectory(directory) }, bytes: directory.bytes };
}
