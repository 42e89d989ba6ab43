/** Prepares the folder of an attempt and describes its task. Idempotent. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TaskBind, TaskPaths, TaskSpec } from '../../providers/index.ts';
import { jobKindOf } from '../job-kind.ts';
import type { StoredTraining } from '../rows.ts';
import { mlFolder, type TrainingSpec } from '../spec.ts';
import type { ChannelFacts } from '../training-job.ts';
import type { AttemptFiles } from './attempt-files.ts';
import { type CapturedDataDeps, channelObjects, type SnapshotJob } from './captured-data.ts';
import { type ChannelDeps, type DownloadOptions, downloadChannel, downloadFile } from './channels.ts';
import { type CheckpointDeps, fetchCheckpoints } from './checkpoints.ts';
import { type ContractFacts, contractCommand, contractFiles, contractFolders, contractVariables, processingFiles } from './contract.ts';

/** What preparing an attempt needs. */
export interface LaunchDeps extends CheckpointDeps, CapturedDataDeps, ChannelDeps {
  /** The file of a stored source archive. */
  readonly sourcePath: (sha256: string) => Promise<string>;
  /** `script_mode.py`. */
  readonly scriptMode: string;
}

/** The Python of a job, and the paths of the host that its process must be able to read. */
export interface JobPython {
  readonly python: string;
  readonly paths: readonly string[];
  readonly lock: string | null;
}

/** The environment of a job cannot be used; the message is its `FailureReason`. */
export class EnvironmentFailed extends Error {
  constructor(environment: string, problem: string) {
    super(`ClientError: environment ${environment}: ${problem}`);
    this.name = 'EnvironmentFailed';
  }
}

/** What an attempt trains with, as the lineage records it. */
export interface Downloaded {
  readonly data: Readonly<Record<string, ChannelFacts>>;
  readonly codeSha256: string | null;
}

const bytesPerGb = 1e9;
const scriptPath = 'input/script_mode.py';
/** Script mode looks for the archive of the job's code here. */
const archivePath = 'code/sourcedir.tar.gz';

/** Downloads all inputs of an attempt into its folder, which is empty. Throws `DownloadFailed`, or the reason of the signal. */
export async function downloadInputs(deps: LaunchDeps, job: SnapshotJob, files: AttemptFiles, signal: AbortSignal): Promise<Downloaded> {
  const { spec } = job;
  const folders = spec.channels.map(({ name, path }) => path?.slice(mlFolder.length + 1) ?? join('input/data', name));
  await files.makeFolders([...foldersOf(spec), ...folders]);
  let roomBytes = spec.volumeGb * bytesPerGb;
  const options = { files, signal };
  const codeSha256 = await downloadCode(deps, spec, { ...options, roomBytes });
  const data: Record<string, ChannelFacts> = {};
  for (const [index, channel] of spec.channels.entries()) {
    const objects = await channelObjects(deps, job, channel, signal);
    const facts = await downloadChannel(deps, objects, { ...options, folder: folders[index] as string, roomBytes });
    roomBytes -= facts.bytes;
    data[channel.name] = facts;
  }
  if (spec.checkpoints !== null) await fetchCheckpoints(deps, spec.checkpoints, { ...options, roomBytes });
  return { data, codeSha256 };
}

/** Below `ml`, writable for the script. */
function foldersOf({ name, outputs }: TrainingSpec): readonly string[] {
  if (jobKindOf(name) === 'training') return contractFolders;
  return ['config', 'output', 'processing', ...outputs.map(({ path }) => path.slice(mlFolder.length + 1))];
}

/** Returns the hash of the archive; null if the job has none. */
async function downloadCode({ sourcePath, buckets }: LaunchDeps, spec: TrainingSpec, options: DownloadOptions): Promise<string | null> {
  if (spec.source !== null) {
    const { sha256 } = spec.source;
    await options.files.put(archivePath, { kind: 'object', sha256, file: () => sourcePath(sha256) });
    return sha256;
  }
  const submitted = submitDirectory(spec);
  if (spec.command !== null || submitted === null || !submitted.startsWith('s3://')) return null;
  return (await downloadFile(buckets, submitted, archivePath, options)).sha256;
}

/** Hyperparameter `sagemaker_submit_directory`, which is JSON or the text itself. */
export function submitDirectory({ hyperparameters }: Pick<TrainingSpec, 'hyperparameters'>): string | null {
  const text = hyperparameters['sagemaker_submit_directory'];
  if (text === undefined) return null;
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'string' ? value : text;
  } catch {
    return text;
  }
}

/** Writes the files of the container contract and, for script mode, its program. */
export async function writeContract(
  deps: Pick<LaunchDeps, 'scriptMode'>,
  { spec, document }: Pick<StoredTraining, 'spec' | 'document'>,
  files: Pick<AttemptFiles, 'putText'>,
  facts: Pick<ContractFacts, 'ml' | 'arn'>,
): Promise<void> {
  const texts = jobKindOf(spec.name) === 'processing' ? processingFiles(spec, document ?? {}, facts) : contractFiles(spec, facts);
  for (const [name, text] of Object.entries(texts)) await files.putText(name, text);
  if (spec.command === null) await files.putText(scriptPath, await readFile(deps.scriptMode));
}

/** What a task needs beyond the spec of its job. */
export interface TaskFacts {
  readonly id: string;
  readonly folder: string;
  readonly paths: TaskPaths;
  readonly python: JobPython | null;
  readonly contract: Omit<ContractFacts, 'ml' | 'environmentBin'>;
  readonly threads: number;
  readonly memoryMiB: number;
  readonly isPreemptible: boolean;
  /** The remaining running time of the job. */
  readonly maxRuntimeMs: number;
  readonly stopGraceMs: number;
}

/** Script mode runs `script_mode.py`; a command runs as it is. Both find the same folders and variables. */
export function taskSpecOf(spec: TrainingSpec, facts: TaskFacts): TaskSpec {
  const { id, folder, paths, python, contract, threads, memoryMiB, isPreemptible, maxRuntimeMs, stopGraceMs } = facts;
  const environmentBin = python === null ? null : dirname(python.python);
  const script = [python?.python ?? 'python3', join(paths.ml, scriptPath)];
  return {
    id,
    command: spec.command === null ? script : contractCommand(spec.command, paths),
    environment: contractVariables(spec, { ...contract, ml: paths.ml, environmentBin }),
    folder,
    readOnly: (python?.paths ?? []).map((path): TaskBind => ({ source: path, target: path })),
    lent: [],
    threads,
    memoryMiB,
    diskMiB: Math.ceil((spec.volumeGb * bytesPerGb) / 2 ** 20),
    hasNetwork: !spec.isIsolated,
    isPreemptible,
    maxRuntimeMs,
    stopGraceMs,
  };
}
