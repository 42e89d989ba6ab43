/** Training jobs of a cluster, begun by the command line: what they print, and how they end. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TrainingJobDetailBody, TrainingLogBody, VersionBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import { penstock, plainEnvironment } from '../end-to-end/server.ts';
import { modelPath } from '../models/index.ts';
import type { NodesFixture } from './nodes-fixture.ts';

/** The end of a script in Python: the model that it is given is its result. */
export const handModelOver =
  'shutil.copy(os.environ["SM_CHANNEL_MODEL"] + "/digits_mlp.onnx", os.environ["SM_MODEL_DIR"] + "/model.onnx")\n';

/** How a job has ended. */
interface JobEnd {
  readonly attempt: number;
  readonly host: string;
  /** How many lines it has printed: `line 0`, `line 1`, and so on. Default: as many as it did. */
  readonly lines?: number;
}

export class ClusterJobs {
  readonly folder = mkdtempSync(join(tmpdir(), 'penstock-jobs-'));
  readonly #fixture: NodesFixture;
  /** The node that is called. */
  readonly #node: () => Promise<string>;

  constructor(fixture: NodesFixture, node: () => Promise<string>) {
    this.#fixture = fixture;
    this.#node = node;
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  async cli(...args: readonly string[]): Promise<void> {
    const url = this.#fixture.node(await this.#node()).url;
    const env = { ...plainEnvironment(), PENSTOCK_URL: url, PENSTOCK_KEY: this.#fixture.key };
    await promisify(execFile)(penstock, args, { cwd: this.folder, env });
  }

  /** `script`: in Python. It registers its model in the group of its name. */
  async begin(name: string, script: string, options: readonly string[] = ['--environment', 'none']): Promise<void> {
    writeFileSync(join(this.folder, `${name}.py`), script);
    const data = ['--data', `model=${modelPath('digits_mlp')}`];
    await this.cli('train', `${name}.py`, '--name', name, '--group', name, ...data, ...options, '--detach');
  }

  async job(name: string): Promise<TrainingJobDetailBody> {
    return this.#fixture.call(await this.#node(), 'GET', `/training-jobs/${name}`);
  }

  async printed(name: string): Promise<string[]> {
    const page = await this.#fixture.call<TrainingLogBody>(await this.#node(), 'GET', `/training-jobs/${name}/logs?limit=1000`);
    return page.items.map(({ line }) => line.trim());
  }

  /** It completes, has registered one version, and has printed each line once. */
  async endsOnce(name: string, { attempt, host, lines }: JobEnd): Promise<void> {
    await until('the job is over', async () => !['InProgress', 'Stopping'].includes((await this.job(name)).status), 120_000);
    const job = await this.job(name);
    assert.deepEqual([job.status, job.reason, job.attempt, job.host], ['Completed', null, attempt, host]);
    const printed = await this.printed(name);
    assert.deepEqual(
      printed,
      Array.from({ length: lines ?? printed.length }, (_, line) => `line ${line}`),
    );
    const versions = await this.#fixture.call<{ items: VersionBody[] }>(await this.#node(), 'GET', `/groups/${name}/versions`);
    assert.equal(versions.items.length, 1);
  }
}
